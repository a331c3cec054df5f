import type BetterSqlite3 from 'better-sqlite3';

import type { Claim } from './claim';
import type { Lifecycle, Segment } from './lifecycle';

/** Why a commit did not succeed, for those who ask later. */
export interface Attempt {
  /** Epoch seconds. */
  at: number;
  reason: string;
  /** Of the table of errors. */
  code: string;
  message: string;
}

/** What the ledger knows of a session. `inFlight` is whether there is a claim, whatever became of its process. */
export interface LedgerSession extends Lifecycle {
  sessionId: string;
  /** Another one when the session was forgotten and became known again. */
  born: string;
  /** The profile whose configuration is asked where nobody owns a segment. */
  profile: string | null;
  claim: Claim | null;
  /** The last commit that did not succeed, until one does. */
  attempt: Attempt | null;
  /** How many messages of an upload that is not finished the server has acknowledged. */
  upload: number | null;
}

/** Which turns of a session were counted, and the version of its file in which they were seen. */
export interface Counted {
  digests: ReadonlySet<string>;
  stamp: string | null;
}

export const SCHEMA_VERSION = 1;

export const SCHEMA = `
  CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    born TEXT NOT NULL,
    generation INTEGER NOT NULL,
    committed_generation INTEGER NOT NULL,
    owner TEXT,
    profile TEXT,
    claim TEXT,
    attempt TEXT,
    upload INTEGER,
    CHECK (0 <= committed_generation AND committed_generation <= generation)
  ) WITHOUT ROWID;
  CREATE TABLE segments (
    session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    "start" INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    owner TEXT,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (session_id, "start"),
    CHECK ("start" <= "end")
  ) WITHOUT ROWID;
  CREATE TABLE counted (
    session_id TEXT PRIMARY KEY,
    digests BLOB NOT NULL,
    stamp TEXT
  ) WITHOUT ROWID;
`;

interface SessionRow {
  session_id: string;
  born: string;
  generation: number;
  committed_generation: number;
  owner: string | null;
  profile: string | null;
  claim: string | null;
  attempt: string | null;
  upload: number | null;
}

const SEGMENT_COLUMNS = '"start", "end", owner, first_at AS firstAt, last_at AS lastAt';
/** Of a digest, in hexadecimal digits. */
const DIGEST_LENGTH = 16;

/** The rows of the ledger: its SQL is here and nowhere else. Whoever calls has the transaction. */
export class LedgerRows {
  private readonly prepared = new Map<string, BetterSqlite3.Statement>();

  constructor(private readonly database: BetterSqlite3.Database) {}

  read(id: string): LedgerSession | undefined {
    const row = this.get<SessionRow>('SELECT * FROM sessions WHERE session_id = ?', id);
    return row && sessionOf(row, this.segmentsOf(id));
  }

  /** All of them, by id. */
  readAll(): LedgerSession[] {
    const segments = new Map<string, Segment[]>();
    const rows = this.all<Segment & { id: string }>(
      `SELECT session_id AS id, ${SEGMENT_COLUMNS} FROM segments ORDER BY session_id, "start"`,
    );
    for (const { id, ...segment } of rows) segments.set(id, [...(segments.get(id) ?? []), segment]);
    return this.all<SessionRow>('SELECT * FROM sessions ORDER BY session_id').map((row) =>
      sessionOf(row, segments.get(row.session_id) ?? []),
    );
  }

  /** @param born what a session that is not known yet gets to be told from an earlier one by. */
  write(id: string, { generation, committed, owner, segments }: Lifecycle, born: string): void {
    this.run(
      `INSERT INTO sessions (session_id, born, generation, committed_generation, owner) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET generation = excluded.generation,
         committed_generation = excluded.committed_generation, owner = excluded.owner`,
      id,
      born,
      generation,
      committed,
      owner,
    );
    this.run('DELETE FROM segments WHERE session_id = ?', id);
    for (const segment of segments) {
      const { start, end, owner: segmentOwner, firstAt, lastAt } = segment;
      this.run('INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)', id, start, end, segmentOwner, firstAt, lastAt);
    }
  }

  setClaim(id: string, claim: Claim | null): void {
    this.run('UPDATE sessions SET claim = ? WHERE session_id = ?', claim && JSON.stringify(claim), id);
  }

  setAttempt(id: string, attempt: Attempt | null): void {
    this.run('UPDATE sessions SET attempt = ? WHERE session_id = ?', attempt && JSON.stringify(attempt), id);
  }

  setUpload(id: string, sent: number | null): void {
    this.run('UPDATE sessions SET upload = ? WHERE session_id = ?', sent, id);
  }

  setProfile(id: string, profile: string): void {
    this.run('UPDATE sessions SET profile = ? WHERE session_id = ?', profile, id);
  }

  /** What was counted stays. */
  forget(id: string): void {
    this.run('DELETE FROM segments WHERE session_id = ?', id);
    this.run('DELETE FROM sessions WHERE session_id = ?', id);
  }

  counted(id: string): Counted {
    const row = this.get<{ digests: Buffer; stamp: string | null }>(
      'SELECT digests, stamp FROM counted WHERE session_id = ?',
      id,
    );
    const hex = row?.digests.toString('hex') ?? '';
    const digests = Array.from({ length: hex.length / DIGEST_LENGTH }, (_, i) =>
      hex.slice(i * DIGEST_LENGTH, (i + 1) * DIGEST_LENGTH),
    );
    return { digests: new Set(digests), stamp: row?.stamp ?? null };
  }

  setCounted(id: string, { digests, stamp }: Counted): void {
    const bytes = Buffer.from([...digests].join(''), 'hex');
    this.run('INSERT OR REPLACE INTO counted VALUES (?, ?, ?)', id, bytes, stamp);
  }

  private segmentsOf(id: string): Segment[] {
    return this.all<Segment>(`SELECT ${SEGMENT_COLUMNS} FROM segments WHERE session_id = ? ORDER BY "start"`, id);
  }

  private statement(sql: string): BetterSqlite3.Statement {
    const statement = this.prepared.get(sql) ?? this.database.prepare(sql);
    this.prepared.set(sql, statement);
    return statement;
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the row once, at the query
  private get<T>(sql: string, ...values: unknown[]): T | undefined {
    return this.statement(sql).get(...values) as T | undefined;
  }

  private all<T>(sql: string, ...values: unknown[]): T[] {
    return this.statement(sql).all(...values) as T[];
  }

  private run(sql: string, ...values: unknown[]): void {
    this.statement(sql).run(...values);
  }
}

function sessionOf(row: SessionRow, segments: Segment[]): LedgerSession {
  const { session_id, committed_generation, claim, attempt, ...same } = row;
  return {
    ...same,
    sessionId: session_id,
    committed: committed_generation,
    segments,
    inFlight: claim !== null,
    claim: claim === null ? null : (JSON.parse(claim) as Claim),
    attempt: attempt === null ? null : (JSON.parse(attempt) as Attempt),
  };
}
