import { truthy } from '../json/python';
import type { RawJson } from '../json/raw';
import { nonNegativeInt } from '../session/row';
import { stalePendingTurn } from '../session/stale-turn';
import { restoreCommand } from './commands';
import type { DatabaseFacts } from './database-facts';
import type { Check, Found } from './finding';
import type { SessionFacts } from './session-facts';
import { databasesOf, type Snapshot } from './snapshot';

/** A file that is larger takes the server seconds and hundreds of megabytes at every load and save. */
export const OVERSIZED_BYTES = 64 * 1024 * 1024;

/** One finding for each session that can be read and about which `look` has something to say. */
function each(look: (facts: SessionFacts, snapshot: Snapshot) => Omit<Found, 'session_id'> | undefined): Check['run'] {
  return (snapshot) => {
    const found: Found[] = [];
    for (const [id, reading] of snapshot.sessions) {
      const said = reading.state === 'good' ? look(reading.facts, snapshot) : undefined;
      if (said) found.push({ session_id: id, ...said });
    }
    return found;
  };
}

const value = (facts: SessionFacts, key: string): unknown => facts.fields.get(key)?.value();

const unreadable: Check = {
  name: 'session-unreadable',
  looksFor: 'A session file that is empty, cut off, not JSON, not UTF-8 or no session.',
  severity: 'error',
  repair: 'restore-from-backup',
  run: ({ sessions, backups }) =>
    [...sessions].flatMap(([id, reading]): Found[] => {
      if (reading.state !== 'bad') return [];
      const hasBackup = backups.get(id)?.state === 'good' && reading.error.code === 'SESSION_DAMAGED';
      return [
        {
          session_id: id,
          summary: reading.error.message,
          evidence: reading.error.details,
          repair: hasBackup ? 'restore-from-backup' : null,
          command: hasBackup ? restoreCommand(id) : null,
        },
      ];
    }),
};

const bom: Check = {
  name: 'session-bom',
  looksFor: 'A session file that begins with a byte-order mark, which the server cannot load.',
  severity: 'error',
  repair: null,
  run: each(({ hasBom, path }) =>
    hasBom
      ? {
          summary:
            'The file begins with a byte-order mark: the server cannot load it. Take its first three bytes away.',
          evidence: { path, offset: 0 },
        }
      : undefined,
  ),
};

const link: Check = {
  name: 'session-link',
  looksFor: 'A session file that is a symbolic link, which the server replaces by a file when it saves.',
  severity: 'warning',
  repair: null,
  run: ({ sessions }) =>
    [...sessions].flatMap(([id, { isLink }]): Found[] =>
      isLink
        ? [{ session_id: id, summary: 'The file is a symbolic link; hermesctl changes no such session.', evidence: {} }]
        : [],
    ),
};

const oddName: Check = {
  name: 'session-name',
  looksFor: 'A file that the server takes for a session although its name cannot be an id.',
  severity: 'warning',
  repair: null,
  run: ({ oddNames }) =>
    oddNames.map((name) => ({
      session_id: null,
      summary: `${JSON.stringify(name)} cannot be the file of a session here: its name is no id.`,
      evidence: { name },
    })),
};

const innerId: Check = {
  name: 'session-id',
  looksFor: 'A session file that calls itself by another id than its name: the server would save it elsewhere.',
  severity: 'warning',
  repair: null,
  run: each((facts) => {
    const inner = value(facts, 'session_id');
    return typeof inner === 'string' && inner !== '' && inner !== facts.id
      ? {
          summary: `The file calls itself ${JSON.stringify(inner)}.`,
          evidence: { inner_session_id: inner, path: facts.path },
        }
      : undefined;
  }),
};

const duplicateId: Check = {
  name: 'session-duplicate-id',
  looksFor: 'Two session files that call themselves by the same id: the server lists only one of them.',
  severity: 'error',
  repair: null,
  run: ({ sessions }) => {
    const files = new Map<string, string[]>();
    for (const [id, reading] of sessions) {
      const inner = reading.state === 'good' ? value(reading.facts, 'session_id') : undefined;
      if (typeof inner !== 'string' || inner === '') continue;
      files.set(inner, [...(files.get(inner) ?? []), id]);
    }
    return [...files]
      .filter(([, ids]) => ids.length > 1)
      .map(([inner, ids]) => ({
        session_id: inner,
        summary: `The files of ${ids.join(' and ')} call themselves ${inner}.`,
        evidence: { files: ids },
      }));
  },
};

const workspace: Check = {
  name: 'session-workspace',
  looksFor: 'A session whose workspace is null or no text: the server cannot load it, and lists it nowhere.',
  severity: 'error',
  repair: null,
  run: each(({ fields, path }) => {
    const raw = fields.get('workspace');
    return raw === undefined || typeof raw.value() === 'string'
      ? undefined
      : {
          summary: `The workspace is ${raw.text.slice(0, 80)}: the server cannot load the session.`,
          evidence: { path },
        };
  }),
};

const messageCount: Check = {
  name: 'session-message-count',
  looksFor: 'A session whose message_count is not the number of its messages.',
  severity: 'warning',
  repair: 'fix-message-count',
  run: each(({ fields, transcript }) => {
    const raw = fields.get('message_count');
    const recorded = nonNegativeInt(raw);
    return raw === undefined || recorded === undefined || recorded === transcript.count
      ? undefined
      : {
          summary: `message_count says ${recorded}, there are ${transcript.count} messages.`,
          evidence: { recorded, messages: transcript.count },
        };
  }),
};

const hazard = (
  kind: 'lone-surrogate' | 'not-finite',
  rest: Omit<Check, 'repair' | 'run'>,
  summary: (path: string) => string,
): Check => ({
  ...rest,
  repair: null,
  run: each(({ hazards, path: file }) => {
    const found = hazards.find((one) => one.kind === kind);
    return found && { summary: summary(found.path), evidence: { path: file, at: found.path } };
  }),
});

const loneSurrogate = hazard(
  'lone-surrogate',
  {
    name: 'session-lone-surrogate',
    looksFor: 'A session with half a surrogate pair: the server loads it and can never save it again.',
    severity: 'error',
  },
  (at) => `${at} holds half a surrogate pair: the server can load the session and not save it.`,
);

const notFinite = hazard(
  'not-finite',
  {
    name: 'session-not-finite',
    looksFor: 'A session with NaN or an infinity, which is JSON to Python only.',
    severity: 'warning',
  },
  (at) => `${at} is not a finite number, which other programs than the server cannot read.`,
);

const times: Check = {
  name: 'session-times',
  looksFor: 'A session whose times are no numbers: one text among them stops the server’s rebuilding of the index.',
  severity: 'warning',
  repair: null,
  run: each(({ fields, path }) => {
    const wrong = ['created_at', 'updated_at'].filter((key) => isNoTime(fields.get(key)));
    return wrong.length === 0
      ? undefined
      : { summary: `${wrong.join(' and ')} should be a number.`, evidence: { path, fields: wrong } };
  }),
};

function isNoTime(raw: RawJson | undefined): boolean {
  return raw !== undefined && raw.text !== 'null' && typeof raw.value() !== 'number';
}

const oversized: Check = {
  name: 'session-oversized',
  looksFor: `A session file of more than ${OVERSIZED_BYTES / 1024 / 1024} MiB.`,
  severity: 'warning',
  repair: null,
  run: each(({ stamp, path }) =>
    stamp.size > BigInt(OVERSIZED_BYTES)
      ? {
          summary: `The file has ${Math.round(Number(stamp.size) / 1024 / 1024)} MiB: the server reads and writes all of it at every turn.`,
          evidence: { path, bytes: Number(stamp.size) },
        }
      : undefined,
  ),
};

const parent: Check = {
  name: 'session-parent',
  looksFor: 'A session that continues one which is neither in the store nor in the agent’s database.',
  severity: 'warning',
  repair: null,
  run: each((facts, snapshot) => {
    const id = value(facts, 'parent_session_id');
    if (typeof id !== 'string' || id === '' || snapshot.sessions.has(id)) return undefined;
    const mayHave = (database: DatabaseFacts): boolean =>
      database.state === 'unusable' ||
      (database.state === 'good' && (!database.hasSessionsTable || database.sessions.has(id)));
    if (databasesOf(snapshot).some(mayHave)) return undefined;
    return { summary: `It continues ${JSON.stringify(id)}, which is not there.`, evidence: { parent_session_id: id } };
  }),
};

const project: Check = {
  name: 'session-project',
  looksFor: 'A session of a project that is not in projects.json.',
  severity: 'warning',
  repair: null,
  run: each((facts, { projects }) => {
    const id = value(facts, 'project_id');
    if (!Array.isArray(projects) || typeof id !== 'string' || id === '') return undefined;
    return projects.some(({ project_id: known }) => known === id)
      ? undefined
      : { summary: `Its project ${JSON.stringify(id)} is not in projects.json.`, evidence: { project_id: id } };
  }),
};

const pendingTurn: Check = {
  name: 'session-pending-turn',
  looksFor: 'A turn that a server left pending when it died.',
  severity: 'warning',
  repair: null,
  run: (snapshot) => {
    const parents = parentIds(snapshot);
    return each(({ id, fields }, { now }) => {
      const turn = stalePendingTurn(fields, now);
      return typeof turn === 'string' || parents.has(id)
        ? undefined
        : {
            summary: 'A turn is pending, and no server may be running it.',
            evidence: { active_stream_id: turn.streamId, pending_started_at: turn.startedAt ?? null },
            command: `hermesctl sessions repair ${id}`,
          };
    })(snapshot);
  },
};

function parentIds({ sessions }: Snapshot): Set<unknown> {
  const good = [...sessions.values()].flatMap((reading) => (reading.state === 'good' ? [reading.facts] : []));
  return new Set(good.map((facts) => value(facts, 'parent_session_id')));
}

const source: Check = {
  name: 'session-source',
  looksFor: 'A session of the WebUI that is marked as one of the command line, and listed there.',
  severity: 'warning',
  repair: null,
  run: each((facts, snapshot) => {
    if (!truthy(value(facts, 'is_cli_session'))) return undefined;
    const sources = [
      ...['source', 'source_tag', 'session_source'].map((key) => value(facts, key)),
      ...databasesOf(snapshot).map((database) =>
        database.state === 'good' ? database.sessions.get(facts.id)?.source : undefined,
      ),
    ];
    const isWebui = sources.some((name) => typeof name === 'string' && name.trim().toLowerCase() === 'webui');
    return isWebui
      ? {
          summary: 'is_cli_session is set although the WebUI made the session.',
          evidence: { sources: sources.filter((name) => typeof name === 'string') },
        }
      : undefined;
  }),
};

const snapshotWithoutTip: Check = {
  name: 'session-snapshot',
  looksFor: 'A snapshot from before a compression with no session left that came after it: the server hides snapshots.',
  severity: 'warning',
  repair: null,
  run: (all) => {
    const rootOf = roots(all);
    const visible = new Set<string>();
    for (const [id, reading] of all.sessions) {
      if (reading.state === 'good' && !truthy(value(reading.facts, 'pre_compression_snapshot')))
        visible.add(rootOf(id));
    }
    return each((facts) =>
      truthy(value(facts, 'pre_compression_snapshot')) && facts.transcript.count > 0 && !visible.has(rootOf(facts.id))
        ? {
            summary: `A snapshot of ${facts.transcript.count} messages from before a compression, and nothing that came after it.`,
            evidence: { messages: facts.transcript.count },
          }
        : undefined,
    )(all);
  },
};

/** The oldest ancestor of a session that is in the store. */
function roots({ sessions }: Snapshot): (id: string) => string {
  return (id) => {
    const seen = new Set<string>();
    let current = id;
    while (!seen.has(current)) {
      seen.add(current);
      const reading = sessions.get(current);
      const above = reading?.state === 'good' ? value(reading.facts, 'parent_session_id') : undefined;
      if (typeof above !== 'string' || above === '') return current;
      current = above;
    }
    return id;
  };
}

const tombstone: Check = {
  name: 'session-tombstone',
  looksFor: 'A session that is there and recorded as deleted: were it lost, the server would not bring it back.',
  severity: 'warning',
  repair: 'remove-tombstone',
  run: each(({ id, transcript }, { tombstones: { deleted, pruned } }) =>
    transcript.count > 0 && (deleted.has(id) || pruned.has(id))
      ? { summary: 'The session is recorded as deleted although it is there.', evidence: { deleted: deleted.has(id) } }
      : undefined,
  ),
};

const journalTurn: Check = {
  name: 'journal-turn',
  looksFor: 'A turn that the server’s journal saw begin and not end, and that the session does not have.',
  severity: 'warning',
  repair: null,
  run: ({ journalTurns, sessions, now }) =>
    journalTurns.map(({ session_id: id, turn_id: turnId, event, content }) => {
      const reading = sessions.get(id);
      const isPending = reading?.state === 'good' && typeof stalePendingTurn(reading.facts.fields, now) !== 'string';
      return {
        session_id: id,
        summary: `The journal has a turn (${event}) that the session does not: ${JSON.stringify([...content].slice(0, 60).join(''))}.`,
        evidence: { turn_id: turnId, event, content },
        command: isPending ? `hermesctl sessions repair ${id}` : null,
      };
    }),
};

export const SESSION_CHECKS: readonly Check[] = [
  unreadable,
  bom,
  link,
  oddName,
  innerId,
  duplicateId,
  workspace,
  messageCount,
  loneSurrogate,
  notFinite,
  times,
  oversized,
  parent,
  project,
  pendingTurn,
  source,
  snapshotWithoutTip,
  tombstone,
  journalTurn,
];
