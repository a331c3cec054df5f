import { readTranscript, storedMessages } from '../../core/agent-db/messages';
import type { AgentDatabase } from '../../core/agent-db/database';
import { storedColumns } from '../../core/agent-db/stored-session';
import { withAgentDatabase } from '../../core/agent-db/open';
import { spellAgentLine } from '../../core/export/agent-line';
import { SessionCompactor } from '../../core/export/compact-session';
import { CutShort } from '../../core/export/cut-short';
import { type Spell, spellSession } from '../../core/export/spell-session';
import { type OpenFile, withFileAsync } from '../../core/files/open-file';
import type { RawJson } from '../../core/json/raw';
import { nonFiniteWords } from '../../core/json/non-finite';
import { renderJson } from '../../core/json/render';
import { notInDatabase } from '../../core/listing/agent-session';
import { sessionNotFound } from '../../core/listing/resolve-id';
import { scanOpenSidecar, sidecarPath } from '../../core/sidecar/read';
import type { ExportItem, ExportOptions, Format } from './format';
import type { Out } from './out';

/** So many places of words that JSON has not are told of one session. */
const TOLD = 20;

/**
 * The formats in which a session is a JSON object: on a line each (`ndjson`,
 * and `jsonl-agent` as the agent's own export), or together in one document.
 */
export class JsonFormat implements Format {
  readonly extension: string;
  private readonly compactor: SessionCompactor;
  private out: Out | undefined;
  private count = 0;
  /** Sessions of the agent that were written: what two conversations continue is written once. */
  private readonly written = new Set<string>();

  constructor(
    private readonly name: 'ndjson' | 'json' | 'jsonl-agent',
    private readonly options: ExportOptions,
  ) {
    this.extension = { ndjson: 'ndjson', json: 'json', 'jsonl-agent': 'jsonl' }[name];
    this.compactor = new SessionCompactor((bytes) => this.out!.write(bytes), { keepNonFinite: options.raw });
  }

  begin(out: Out): void {
    this.count = 0;
    if (this.name === 'json') out.write('{"sessions":[');
  }

  end(out: Out, isWhole: boolean): void {
    this.flush(out);
    if (this.name === 'json' && isWhole) out.write('\n]}\n');
  }

  /** Puts out what was taken in so far. */
  private flush(out: Out): void {
    this.out = out;
    this.compactor.flush();
  }

  async add(out: Out, item: ExportItem): Promise<void> {
    this.out = out;
    if (item.in === 'agent') {
      await this.addAgentSessions(out, item);
      return;
    }
    const { location, deps } = this.options.context;
    const path = sidecarPath(location.sessionsDir.value, item.id);
    const found = await withFileAsync(deps.fs, path, (file) => {
      if (this.name === 'jsonl-agent' || this.options.redactor) this.addSpelled(out, file, item.id);
      else this.addCompact(file, item.id);
      return Promise.resolve(true);
    });
    if (!found) throw sessionNotFound(item.id, location);
  }

  /** White space taken out, and nothing else looked at: what most exports are. */
  private addCompact(file: OpenFile, id: string): void {
    const [before, after] = this.around();
    const { nonFinite, innerId } = this.compactor.append(file, id, before, after);
    this.count++;
    if (nonFinite > 0 && !this.options.raw) this.warnOfNonFinite(id, nonFiniteWords(file.source, TOLD), nonFinite);
    this.warnOfId(id, innerId);
  }

  private addSpelled(out: Out, file: OpenFile, id: string): void {
    const sidecar = scanOpenSidecar(file, id);
    const inner = sidecar.fields.get('session_id')?.value();
    const words: { path: string; word: string }[] = [];
    const spell = this.speller(words);
    const agent = this.name === 'jsonl-agent';
    this.put(out, agent ? spellAgentLine(file, sidecar, spell) : spellSession(file, sidecar, spell));
    if (words.length > 0) this.warnOfNonFinite(id, words.slice(0, TOLD), words.length);
    if (!agent) this.warnOfId(id, typeof inner === 'string' ? inner : undefined);
  }

  private put(out: Out, pieces: Iterable<string>): void {
    this.flush(out);
    const [before, after] = this.around();
    let isMidway = false;
    try {
      for (const piece of pieces) {
        out.write(isMidway ? piece : before + piece);
        isMidway = true;
      }
    } catch (error) {
      throw isMidway ? new CutShort(error) : error;
    }
    out.write(after);
    this.count++;
  }

  /** A session of the agent as its own export has it, after those that it continues. */
  private async addAgentSessions(out: Out, { id, place }: ExportItem & { in: 'agent' }): Promise<void> {
    const { deps } = this.options.context;
    await withAgentDatabase(place.agentDatabase.value, deps, async (database) => {
      const { segments } = await readTranscript(database, id);
      for (const segment of segments) {
        const name = `${place.profile.value}/${segment}`;
        if (this.written.has(name)) continue;
        await this.addAgentSession(out, database, segment);
        this.written.add(name);
      }
    });
  }

  private async addAgentSession(out: Out, database: AgentDatabase, id: string): Promise<void> {
    const columns = await storedColumns(database, id);
    if (columns === undefined) throw notInDatabase(id, database.path);
    const words: { path: string; word: string }[] = [];
    const spell = this.speller(words);
    this.flush(out);
    const [before, after] = this.around();
    const row = columns.map(([key, raw]) => `${JSON.stringify(key)}:${spell(raw, `.${key}`, key)}`).join(',');
    try {
      out.write(`${before}{${row},"messages":[`);
      let i = 0;
      for await (const message of storedMessages(database, id)) {
        out.write((i === 0 ? '' : ',') + spell(message, `.messages[${i}]`, 'messages'));
        i++;
        const pause = this.options.context.deps.breathe();
        if (pause) await pause;
      }
      out.write(`]}${after}`);
    } catch (error) {
      throw error instanceof CutShort ? error : new CutShort(error);
    }
    this.count++;
    if (words.length > 0) this.warnOfNonFinite(id, words.slice(0, TOLD), words.length);
  }

  private around(): [before: string, after: string] {
    if (this.name !== 'json') return ['', '\n'];
    return [this.count === 0 ? '\n' : ',\n', ''];
  }

  /** Spells values on one line, without secrets where they are to go; gathers the words that became null. */
  private speller(words: { path: string; word: string }[]): Spell {
    const { redactor, raw: keepNonFinite } = this.options;
    return (raw: RawJson, path, key) => {
      const onNonFinite = (inner: string, word: string): void => void words.push({ path: path + inner, word });
      // Redacted first: a path that is told names members.
      const text = redactor ? redactor.json(raw.text, key) : raw.text;
      return renderJson(text, { keepNonFinite, onNonFinite });
    };
  }

  private warnOfNonFinite(id: string, words: readonly { path: string; word: string }[], count: number): void {
    const [{ path, word }] = words;
    const more = count > 1 ? ` So ${count === 2 ? 'is' : 'are'} ${count - 1} more.` : '';
    this.options.context.warn({
      code: 'NOT_FINITE',
      message: `${path.slice(1)} of session ${id} is ${word}, which JSON does not know; it is exported as null (--raw keeps it).${more}`,
      session_id: id,
      path: path.slice(1),
      paths: words.map((found) => found.path.slice(1)),
      count,
    });
  }

  /** By that name it would come back. */
  private warnOfId(id: string, innerId: string | undefined): void {
    if (innerId === id) return;
    this.options.context.warn({
      code: 'ID_MISMATCH',
      message:
        innerId === undefined
          ? `Session ${id} does not say its id: its export cannot be imported as it is.`
          : `Session ${id} calls itself ${JSON.stringify(innerId)}: by that id it would be imported.`,
      session_id: id,
      ...(innerId === undefined ? {} : { inner_session_id: innerId }),
    });
  }
}
