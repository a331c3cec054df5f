// One of several processes that change a store at once, by the core of the built program, as its commands do:
// each change under the store's lock. Arguments: state directory, number of this writer, operations. Prints what it did.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(import.meta.url);
const core = (name) => require(`../../dist/core/${name}.js`);
const { changeMetadata, createSession, undoSession } = core('changes/sessions');
const { nodeFileSystem } = core('files/file-system');
const { withStoreLock } = core('files/lock');
const { applyReindex, planPatch, planRebuild } = core('index/reindex');
const { rowDefaults } = core('listing/rows');
const { resolveLocation } = core('location/location');
const { parseNewSession } = core('session/create');
const { systemProcesses } = require('../../dist/cli/processes.js');

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

for (let i = 0; i < operations; i++) {
  const kind = (i + writer) % 5;
  if (kind === 0) {
    const id = `made-${writer}-${i}`;
    done.created.push(await locked(async () => noted(await createSession(target, described(id), {}, deps)).session_id));
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
process.stdout.write(JSON.stringify(done));
