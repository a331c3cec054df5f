// One of several processes that change a store at once, by the core of the program, as its commands do: each change
// under the store's lock. Arguments: state directory, number of this writer, operations. Prints what it did.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { systemProcesses } from '../../src/cli/processes';
import { changeMetadata, createSession, undoSession } from '../../src/core/changes/sessions';
import { nodeFileSystem } from '../../src/core/files/file-system';
import { withStoreLock } from '../../src/core/files/lock';
import { applyReindex, planPatch, planRebuild } from '../../src/core/index/reindex';
import { rowDefaults } from '../../src/core/listing/rows';
import { resolveLocation } from '../../src/core/location/location';
import { parseNewSession } from '../../src/core/session/create';

const [stateDir, writer, operations] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const deps = {
  fs: nodeFileSystem,
  clock: { now: () => Date.now() / 1000, sleep: (seconds) => sleep(seconds * 1000) },
  ids: { uuidHex: () => randomUUID().replaceAll('-', '') },
  processes: systemProcesses([`writer ${writer}`]),
  breathe: () => undefined,
  progress: () => undefined,
};
const environment = { variables: process.env, userHome: '/nonexistent', platform: process.platform, cwd: '/' };
const location = resolveLocation({ stateDir }, environment, nodeFileSystem);
const target = { location, defaults: rowDefaults(location, '/nonexistent'), dryRun: false };
const LOCK_WAIT_SECONDS = 300;
const locked = (work) => withStoreLock(location.stateDir.value, LOCK_WAIT_SECONDS, deps, work);

const done = { created: [], removed: 0, renamed: [], notUpdated: 0 };
const noted = ({ result }) => {
  if (result.index?.updated === false) done.notUpdated++;
  return result;
};
const described = (id) =>
  parseNewSession(Buffer.from(JSON.stringify({ session_id: id, messages: [{ role: 'user', content: id }] })));

async function operate() {
  for (let i = 0; i < operations; i++) {
    const kind = (i + writer) % 5;
    if (kind === 0) {
      const id = `made-${writer}-${i}`;
      done.created.push(
        await locked(async () => noted(await createSession(target, described(id), {}, deps)).session_id),
      );
    } else if (kind === 1 || kind === 2) {
      const options = { turns: 1, force: false };
      done.removed += await locked(async () => noted(await undoSession(target, 'shared', options, deps)).removed_count);
    } else if (kind === 3) {
      const title = `writer ${writer}, operation ${i}`;
      // Taken within the lock: the order of these times is the order of the changes.
      const at = await locked(async () => {
        noted(await changeMetadata(target, 'shared', { title }, false, deps));
        return process.hrtime.bigint();
      });
      done.renamed.push([String(at), title]);
    } else {
      await locked(async () => {
        const ids = i % 2 === 0 ? [] : ['shared'];
        const plan =
          ids.length === 0
            ? planRebuild(location, target.defaults, deps)
            : planPatch(location, ids, target.defaults, deps);
        await applyReindex(await plan, deps);
      });
    }
  }
}

void operate().then(() => process.stdout.write(JSON.stringify(done)));
