import { toInt, truthy } from '../json/python';
import { NULL, RawJson, ZERO } from '../json/raw';
import type { SessionRow } from './row';

/** A named result whose values keep the store's spelling, in the order in which they are shown. */
export type RawRecord = Record<string, RawJson>;

/** Token counts of a session (seed 003): integers as spelled, what is none counts as 0. */
function tokens(row: SessionRow): { input: RawJson; output: RawJson; total: RawJson } {
  const input = integer(row.raw('input_tokens'));
  const output = integer(row.raw('output_tokens'));
  return { input, output, total: new RawJson(String(BigInt(input.text) + BigInt(output.text))) };
}

function integer(raw: RawJson | undefined): RawJson {
  if (raw === undefined) return ZERO;
  if (/^-?\d+$/.test(raw.text)) return raw;
  const value = toInt(raw.value());
  return value === undefined ? ZERO : new RawJson(BigInt(value).toString());
}

/**
 * The status snapshot of a session, with the fields of the server's own.
 * Whether a stream is alive only a server knows: `active_stream_id` is what the
 * file records, and `agent_running` says that it records one.
 *
 * @param messageCount items of `messages` in the file.
 * @param profile the session's profile, `default` where it records none.
 */
export function sessionStatus(row: SessionRow, messageCount: number, profile: string, hermesHome: string): RawRecord {
  const { input, output, total } = tokens(row);
  const at = (key: string): RawJson => row.raw(key) ?? NULL;
  return {
    session_id: at('session_id'),
    title: at('title'),
    model: at('model'),
    profile: RawJson.of(profile),
    hermes_home: RawJson.of(hermesHome),
    workspace: at('workspace'),
    personality: at('personality'),
    message_count: RawJson.of(messageCount),
    created_at: at('created_at'),
    updated_at: at('updated_at'),
    agent_running: RawJson.of(truthy(row.value('active_stream_id'))),
    active_stream_id: at('active_stream_id'),
    input_tokens: input,
    output_tokens: output,
    total_tokens: total,
    estimated_cost: at('estimated_cost'),
  };
}

/** Token and cost totals of a session (seed 003), with its id. */
export function sessionUsage(row: SessionRow): RawRecord {
  const { input, output, total } = tokens(row);
  return {
    session_id: row.raw('session_id') ?? NULL,
    input_tokens: input,
    output_tokens: output,
    total_tokens: total,
    estimated_cost: row.raw('estimated_cost') ?? NULL,
    model: row.raw('model') ?? NULL,
  };
}

/** Sums of usages: tokens exactly; cost of the sessions that record one, in the store's currency (US dollars). */
export class UsageTotals {
  private sessions = 0;
  private costed = 0;
  private cost = 0;
  private readonly tokens = { input_tokens: 0n, output_tokens: 0n, total_tokens: 0n };

  add(usage: RawRecord): void {
    this.sessions++;
    for (const key of Object.keys(this.tokens) as (keyof typeof this.tokens)[])
      this.tokens[key] += BigInt(usage[key].text);
    const cost = usage['estimated_cost'].value();
    if (typeof cost === 'number' && Number.isFinite(cost)) {
      this.costed++;
      this.cost += cost;
    }
  }

  totals(): RawRecord {
    return {
      sessions: RawJson.of(this.sessions),
      input_tokens: new RawJson(String(this.tokens.input_tokens)),
      output_tokens: new RawJson(String(this.tokens.output_tokens)),
      total_tokens: new RawJson(String(this.tokens.total_tokens)),
      estimated_cost: RawJson.of(this.costed === 0 ? null : this.cost),
      sessions_with_cost: RawJson.of(this.costed),
    };
  }
}
