import { HermesctlError } from '../errors';
import { restoreCommand } from './commands';
import type { DatabaseFacts } from './database-facts';
import type { Check, Found } from './finding';
import { databasesOf, type Snapshot } from './snapshot';

const REINDEX = 'hermesctl reindex';

const index = (
  name: string,
  looksFor: string,
  look: (drift: Snapshot['drift'][number], snapshot: Snapshot) => Omit<Found, 'session_id'> | undefined,
): Check => ({
  name,
  looksFor,
  severity: 'warning',
  repair: 'rebuild-index',
  run: (snapshot) =>
    snapshot.drift.flatMap((drift): Found[] => {
      const said = look(drift, snapshot);
      return said ? [{ session_id: drift.session_id, command: REINDEX, ...said }] : [];
    }),
});

/** Where all of the index is missing its rows are not told one by one. */
const hasIndex = ({ index: { current } }: Snapshot): boolean => current !== undefined;

const indexMissing: Check = {
  name: 'index-missing',
  looksFor: 'A store with sessions and no index: the server makes it anew at its next listing.',
  severity: 'warning',
  repair: 'rebuild-index',
  run: ({ index: { stamp, entries, path } }) =>
    stamp === 'absent' && entries.length > 0
      ? [
          {
            session_id: null,
            summary: `There is no index for ${entries.length} ${entries.length === 1 ? 'session' : 'sessions'}.`,
            evidence: { path },
            command: REINDEX,
          },
        ]
      : [],
};

const indexBroken = index(
  'index-broken',
  'An index that is not JSON or no list of rows.',
  ({ kind }, { index: { path } }) =>
    kind === 'unusable' ? { summary: 'The index cannot be used.', evidence: { path } } : undefined,
);

const indexGhost = index('index-ghost', 'A row of the index whose session has no file.', (drift, { sessions }) =>
  // A file that cannot be read is another matter, and its row a word to the user.
  drift.kind === 'ghost' && !sessions.has(drift.session_id)
    ? { summary: 'The index has a row, and there is no file.', evidence: {} }
    : undefined,
);

const indexMissingRow = index('index-missing-row', 'A session that has no row in the index.', (drift, snapshot) =>
  drift.kind === 'missing' && hasIndex(snapshot)
    ? { summary: 'The session has no row in the index.', evidence: {} }
    : undefined,
);

const indexStaleRow = index(
  'index-stale-row',
  'A row of the index that tells something else than the file.',
  (drift) =>
    drift.kind === 'stale'
      ? {
          summary: `The index has another ${Object.keys(drift.fields).join(', ')} than the file.`,
          evidence: { fields: drift.fields },
        }
      : undefined,
);

const indexDuplicateRow = index('index-duplicate-row', 'A session with more than one row in the index.', ({ kind }) =>
  kind === 'duplicate' ? { summary: 'The session has more than one row in the index.', evidence: {} } : undefined,
);

const indexOrder = index('index-order', 'An index whose rows are not in the order of their last update.', ({ kind }) =>
  kind === 'order' ? { summary: 'The rows of the index are in another order.', evidence: {} } : undefined,
);

const backupLarger: Check = {
  name: 'backup-larger',
  looksFor: 'A backup that holds more messages than its session, without a sign that they were taken out on purpose.',
  severity: 'error',
  repair: 'restore-from-backup',
  run: ({ backups, sessions, shrinks }) =>
    [...backups].flatMap(([id, backup]): Found[] => {
      const session = sessions.get(id);
      if (backup.state !== 'good' || session?.state !== 'good' || shrinks.has(id)) return [];
      const more = backup.messages - session.facts.transcript.count;
      if (more <= 0) return [];
      return [
        {
          session_id: id,
          summary: `The backup holds ${more} more messages than the session.`,
          evidence: { path: backup.path, messages: session.facts.transcript.count, backup_messages: backup.messages },
          command: restoreCommand(id),
        },
      ];
    }),
};

/** What becomes of a backup whose session has no file. */
function orphanFate(id: string, snapshot: Snapshot): 'deleted' | 'orphan' | 'unclaimed' {
  if (snapshot.tombstones.deleted.has(id)) return 'deleted';
  const deniesIt = (database: DatabaseFacts): boolean =>
    database.state === 'good' && database.hasSessionsTable && !database.sessions.has(id);
  return databasesOf(snapshot).every(deniesIt) ? 'unclaimed' : 'orphan';
}

const orphan = (
  fate: ReturnType<typeof orphanFate>,
  rest: Omit<Check, 'run'>,
  summary: (messages: number) => string,
  command: (id: string) => string,
): Check => ({
  ...rest,
  run: (snapshot) =>
    [...snapshot.backups].flatMap(([id, backup]): Found[] =>
      backup.state === 'good' && !snapshot.sessions.has(id) && orphanFate(id, snapshot) === fate
        ? [
            {
              session_id: id,
              summary: summary(backup.messages),
              evidence: { path: backup.path, backup_messages: backup.messages },
              command: command(id),
            },
          ]
        : [],
    ),
});

const backupOrphan = orphan(
  'orphan',
  {
    name: 'backup-orphan',
    looksFor: 'A backup whose session is gone, and was not deleted.',
    severity: 'error',
    repair: 'restore-from-backup',
  },
  (messages) => `Only the backup is left of a session with ${messages} messages.`,
  restoreCommand,
);

const backupUnclaimed = orphan(
  'unclaimed',
  {
    name: 'backup-unclaimed',
    looksFor: 'A backup whose session is gone, and which the agent’s database does not know either.',
    severity: 'warning',
    repair: null,
  },
  (messages) => `Only the backup is left, with ${messages} messages; the agent’s database does not know the session.`,
  restoreCommand,
);

const backupDeleted = orphan(
  'deleted',
  {
    name: 'backup-deleted',
    looksFor: 'A backup of a session that was deleted.',
    severity: 'warning',
    repair: null,
  },
  (messages) => `A backup with ${messages} messages is left of a session that was deleted.`,
  (id) => `hermesctl sessions delete ${id}`,
);

const backupDamaged: Check = {
  name: 'backup-damaged',
  looksFor: 'A backup that cannot be read.',
  severity: 'warning',
  repair: null,
  run: ({ backups }) =>
    [...backups].flatMap(([id, backup]): Found[] =>
      backup.state === 'bad' ? [{ session_id: id, summary: backup.error.message, evidence: backup.error.details }] : [],
    ),
};

const aside: Check = {
  name: 'restore-unfinished',
  looksFor: 'A version of a session that a restore set aside and did not come to put away.',
  severity: 'warning',
  repair: null,
  run: (snapshot) =>
    snapshot.aside.map(({ session_id: id, path }) => ({
      session_id: id,
      summary: 'A restore that was cut off left a version aside; the same command finishes it.',
      evidence: { path },
      command: restoreCommand(id),
    })),
};

const temporary: Check = {
  name: 'temporary-files',
  looksFor: 'Temporary files of writers that died.',
  severity: 'warning',
  repair: null,
  run: (snapshot) => {
    const left = snapshot.temporary.filter(({ action }) => action === 'remove');
    if (left.length === 0) return [];
    const bytes = left.reduce((sum, file) => sum + file.bytes, 0);
    return [
      {
        session_id: null,
        summary: `${left.length} temporary ${left.length === 1 ? 'file' : 'files'} of writers that died, ${bytes} bytes.`,
        evidence: { files: left.map(({ name }) => name), bytes },
        command: 'hermesctl gc-tmp',
      },
    ];
  },
};

const broken = (error: HermesctlError): Found => ({
  session_id: null,
  summary: error.message,
  evidence: error.details,
});

const projectsBroken: Check = {
  name: 'projects-broken',
  looksFor: 'A projects.json that cannot be read: the server takes it for an empty one, and writes over it.',
  severity: 'error',
  repair: null,
  run: ({ projects }) => (projects instanceof HermesctlError ? [broken(projects)] : []),
};

const tombstonesBroken: Check = {
  name: 'tombstones-broken',
  looksFor: 'A list of deleted sessions that cannot be read: sessions that were deleted may come back.',
  severity: 'warning',
  repair: null,
  run: ({ tombstones }) => tombstones.damaged.map(broken),
};

export const STORE_CHECKS: readonly Check[] = [
  indexMissing,
  indexBroken,
  indexGhost,
  indexMissingRow,
  indexStaleRow,
  indexDuplicateRow,
  indexOrder,
  backupLarger,
  backupOrphan,
  backupUnclaimed,
  backupDeleted,
  backupDamaged,
  aside,
  temporary,
  projectsBroken,
  tombstonesBroken,
];
