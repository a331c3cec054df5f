/*
 * From 24.19 on, the headers of Node.js 24 make what is wrapped in JavaScript
 * say goodbye to its environment when it is collected. Where the garbage is
 * collected while no JavaScript runs there is none, and the process aborts
 * (nodejs/node#65446). better-sqlite3 12, compiled with these headers, wraps
 * databases and statements so. A command lives for seconds: there they are
 * kept until it ends, and never collected.
 */

/** What is used of better-sqlite3 besides its public face. */
interface Native {
  prepare: (...args: unknown[]) => { iterate: (...args: unknown[]) => unknown };
}
type Database = new (file: string) => Record<symbol, Native>;

const kept: unknown[] = [];

/** Whether a native module that is compiled for this Node.js has that fault. */
export function abortsWhenCollected(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major === 24 && minor >= 19;
}

/** `require`, with better-sqlite3 made safe where it has to be. */
export function keepingNatives(load: NodeJS.Require, version = process.versions.node): NodeJS.Require {
  if (!abortsWhenCollected(version)) return load;
  let isKept = false;
  const keeping = (id: string): unknown => {
    if (id === 'better-sqlite3' && !isKept) {
      isKept = true;
      keepAll(load(id) as Database, load('better-sqlite3/lib/util') as { cppdb: symbol });
    }
    return load(id);
  };
  return Object.assign(keeping, load) as NodeJS.Require;
}

function keepAll(Database: Database, { cppdb }: { cppdb: symbol }): void {
  const first = new Database(':memory:');
  const natives = Object.getPrototypeOf(first[cppdb]) as Native;
  const statement = first[cppdb].prepare('SELECT 1', first, false);
  const statements = Object.getPrototypeOf(statement) as typeof statement;
  kept.push(first, first[cppdb], statement);
  // Everything comes of a statement: also what a transaction or a pragma asks.
  natives.prepare = keepingResult(natives.prepare);
  statements.iterate = keepingResult(statements.iterate);
}

function keepingResult<T>(method: (...args: unknown[]) => T): (...args: unknown[]) => T {
  return function (this: unknown, ...args) {
    const made = method.apply(this, args);
    kept.push(this, made);
    return made;
  };
}
