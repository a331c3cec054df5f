'use strict';

/**
 * Kills the process at the k-th step that matters to a drain: before and after
 * each statement that writes to the ledger, before each transaction and after
 * it, before each request, and at its answer.
 *
 * With `node -r` and HERMESCTL_TEST_KILL_STEP.
 */
const http = require('node:http');

const Database = require('better-sqlite3');

const at = Number(process.env.HERMESCTL_TEST_KILL_STEP);
let steps = 0;

function step() {
  if (++steps !== at) return;
  process.kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const { prepare, transaction } = Database.prototype;

Database.prototype.prepare = function (sql) {
  const statement = prepare.call(this, sql);
  if (statement.reader) return statement;
  const { run } = statement;
  statement.run = function (...values) {
    const result = run.apply(this, values);
    step();
    return result;
  };
  return statement;
};

Database.prototype.transaction = function (work) {
  const made = transaction.call(this, work);
  return {
    deferred: () => made.deferred(),
    immediate: () => {
      step();
      const result = made.immediate();
      step();
      return result;
    },
  };
};

const { request } = http;
http.request = (...args) => {
  step();
  const outgoing = request(...args);
  outgoing.on('finish', step);
  outgoing.on('response', step);
  return outgoing;
};
