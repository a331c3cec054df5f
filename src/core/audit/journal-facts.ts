import * as path from 'node:path';

import type { Deps } from '../deps';
import { isSystemError } from '../errors';
import { decodeJson } from '../json/decode';
import { strip, toFloat } from '../json/python';

/** A turn that the server's journal saw begin and not end. */
export interface JournalTurn {
  session_id: string;
  turn_id: string;
  /** The last thing that happened in it. */
  event: string;
  /** What the user asked, trimmed. */
  content: string;
}

const TERMINAL: ReadonlySet<unknown> = new Set(['completed', 'interrupted']);

/** The turns that did not end, by session (reference: webui-store §2.2, §9.1). What cannot be read tells nothing. */
export function openTurns(sessionsDir: string, deps: Deps): Map<string, JournalTurn[]> {
  const dir = path.join(sessionsDir, '_turn_journal');
  const states = new Map<string, Map<string, Event>>();
  for (const name of shards(dir, deps)) {
    const stem = name.slice(0, -'.jsonl'.length);
    const tilde = stem.indexOf('~');
    const id = tilde > 0 ? stem.slice(0, tilde) : stem;
    const turns = states.get(id) ?? new Map<string, Event>();
    states.set(id, turns);
    for (const event of events(path.join(dir, name), deps)) {
      const turnId = strip(String(event['turn_id'] ?? ''));
      const before = turns.get(turnId);
      if (turnId !== '' && (before === undefined || time(event) >= time(before))) turns.set(turnId, event);
    }
  }
  const open = new Map<string, JournalTurn[]>();
  for (const [id, turns] of states) {
    const left = [...turns]
      .filter(([, event]) => !TERMINAL.has(event['event']))
      .map(([turnId, event]) => ({
        session_id: id,
        turn_id: turnId,
        event: String(event['event'] ?? ''),
        content: strip(String(event['content'] ?? '')),
      }))
      .filter(({ content }) => content !== '');
    if (left.length > 0) open.set(id, left);
  }
  return open;
}

type Event = Record<string, unknown>;

const time = (event: Event): number => toFloat(event['created_at']) ?? 0;

function shards(dir: string, deps: Deps): string[] {
  try {
    return deps.fs
      .readdirSync(dir)
      .filter((name) => name.endsWith('.jsonl'))
      .sort();
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

function events(file: string, deps: Deps): Event[] {
  let text: string;
  try {
    text = deps.fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
  const found: Event[] = [];
  for (const line of text.split('\n')) {
    const event = eventOf(line);
    if (event) found.push(event);
  }
  return found;
}

/** Undefined for the end of a line that was being written when its writer died. */
function eventOf(line: string): Event | undefined {
  try {
    const value = line.trim() === '' ? undefined : decodeJson(line);
    return typeof value === 'object' && value !== null ? (value as Event) : undefined;
  } catch {
    return undefined;
  }
}
