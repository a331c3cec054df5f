// Preloaded into a process (`node --require`), it notes when SQLite is asked first and when it has answered last, and
// for how long it was at it: in milliseconds, as JSON, into the file that HERMESCTL_BENCH_QUERY_TIME names.
'use strict';

const { writeFileSync } = require('node:fs');

const clock = () => Number(process.hrtime.bigint()) / 1e6;
const { dlopen } = process;
let first;
let last;
let asking = 0;

/** Has this method of a native class timed. */
function watch(prototype, name) {
  const method = prototype[name];
  if (typeof method !== 'function') return;
  prototype[name] = function (...args) {
    const began = clock();
    first ??= began;
    try {
      return method.apply(this, args);
    } finally {
      last = clock();
      asking += last - began;
    }
  };
}

process.dlopen = function (module, file, ...rest) {
  dlopen.call(process, module, file, ...rest);
  if (!file.includes('better_sqlite3')) return;
  const { Database, Statement } = module.exports;
  for (const name of ['prepare', 'exec']) watch(Database.prototype, name);
  for (const name of ['all', 'get', 'run']) watch(Statement.prototype, name);
};

process.on('exit', () => {
  if (first === undefined) return;
  writeFileSync(process.env.HERMESCTL_BENCH_QUERY_TIME, JSON.stringify({ span: last - first, asking }));
});
