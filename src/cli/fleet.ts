import { readFileSync } from 'node:fs';
import { sep } from 'node:path';

import { Flags } from '@oclif/core';

import { HermesctlError, ioError, isSystemError } from '../core/errors';
import { RawJson } from '../core/json/raw';
import type { IdSet } from '../core/listing/agent-rows';
import type { Location } from '../core/location/location';
import { assertStore, sessionIds } from '../core/sidecar/directory';
import type { Context } from './context';
import { sharedCode } from './each-session';
import { errorEnvelope, type JsonDocument, type OutputValue, type RawFields } from './output/document';
import { readInput } from './session-ids';

/** The flag of reading commands that can look at several stores. */
export function storesFlag(more: { exclusive?: string[]; dependsOn?: string[] } = {}) {
  const { exclusive = [], ...rest } = more;
  return Flags.string({
    ...rest,
    helpGroup: 'STORES',
    helpValue: 'FILE',
    exclusive: ['state-dir', ...exclusive],
    summary: 'Every store named in this file, one state directory a line (- reads standard input), as one result.',
  });
}

export interface FleetFlagValues {
  stores?: string | undefined;
  /** Whether the file's names end with NUL. */
  null?: boolean;
}

/** One of the stores, and what became of it. */
interface Member {
  /** As it was named. */
  given: string;
  store: Context;
  facts: RawFields;
  error?: HermesctlError;
}

/** What was read in one store. */
export interface FromStore<T> {
  store: Context;
  value: T;
}

/**
 * The stores that a command looks at: the one that all commands work on, whose
 * failure is the command's; or with `--stores` those of a list, of which what
 * fails never hides the others.
 */
export class Fleet {
  private readonly asked = new Map<string, Member>();

  private constructor(
    private readonly context: Context,
    private readonly members: readonly Member[],
    /** Whether they come from a list: then rows say which store they are of. */
    readonly isMany: boolean,
  ) {}

  /**
   * @throws HermesctlError `IO_ERROR` where the list cannot be read, `USAGE` where it would come from a terminal.
   */
  static of(context: Context, flags: FleetFlagValues): Fleet {
    if (flags.stores === undefined) return new Fleet(context, [{ given: '', store: context, facts: {} }], false);
    const members = new Map<string, Member>();
    for (const given of storesIn(context, flags.stores, flags.null ?? false)) {
      const store = context.at(given);
      const { value: dir } = store.location.stateDir;
      if (!members.has(dir)) members.set(dir, { given, store, facts: {} }); // a store that is named twice is one
    }
    for (const [dir, name] of shortNames([...members.keys()])) context.storeNames.set(dir, name);
    return new Fleet(context, [...members.values()], true);
  }

  /**
   * Does something in each store, one after another, as the values are taken.
   * The only store is read at once: where it fails, nothing was shown yet.
   */
  async each<T>(
    work: (store: Context) => Promise<T> | T,
  ): Promise<Iterable<FromStore<T>> | AsyncIterable<FromStore<T>>> {
    if (this.isMany) return this.oneAfterAnother(work);
    return [{ store: this.context, value: await work(this.context) }];
  }

  private async *oneAfterAnother<T>(work: (store: Context) => Promise<T> | T): AsyncGenerator<FromStore<T>> {
    for (const member of this.members) {
      const { store } = member;
      let value: T;
      try {
        assertStore(store.deps.fs, store.location);
        value = await work(store);
      } catch (error) {
        this.fail(member, error);
        continue;
      }
      yield { store, value };
      const pause = this.context.deps.breathe();
      if (pause) await pause;
    }
  }

  /** What is wrong with the question, or with the output, is wrong for every store. */
  private fail(member: Member, thrown: unknown): void {
    const error = isSystemError(thrown) ? ioError(thrown) : thrown;
    const isOfAll = !(error instanceof HermesctlError) || error.code === 'USAGE' || this.context.terminal.stdout.failed;
    if (isOfAll) throw error;
    member.error = member.store.placed(error);
    for (const [home, first] of this.asked) if (first === member) this.asked.delete(home);
    this.context.failure({ store: member.store.location.stateDir.value }, member.error);
  }

  /** Every store, also such as cannot be read. */
  get stores(): readonly Context[] {
    return this.members.map(({ store }) => store);
  }

  /** The stores that failed so far. */
  get failed(): { store: string; error: HermesctlError }[] {
    return this.members.flatMap(({ store, error }) =>
      error === undefined ? [] : [{ store: store.location.stateDir.value, error }],
    );
  }

  /** Adds to what the result says of this store. */
  note(store: Context, facts: RawFields): void {
    const member = this.members.find((one) => one.store === store);
    if (member) Object.assign(member.facts, facts);
  }

  /** What a row says of where it is from, as entries; nothing, where there is one store. */
  marks({ location }: Context): [key: string, value: RawJson][] {
    return this.isMany ? [['store', RawJson.of(location.stateDir.value)]] : [];
  }

  /**
   * Columns, with that of the store where there are several: the last one for a
   * script, and the second for a person, whose terminal has no room for the last ones.
   */
  columns(columns: readonly string[]): readonly string[] {
    if (!this.isMany) return columns;
    const [first, ...others] = columns;
    return this.context.isTerminal ? [first, 'store', ...others] : [...columns, 'store'];
  }

  /**
   * Which sessions of the agent's databases are counted elsewhere. Stores of one
   * home share its databases: these are asked with the first of them, for what
   * none of them has a file of; with the others all is elsewhere. Undefined where
   * no other store has that home.
   */
  elsewhere(store: Context): IdSet | undefined {
    const home = store.location.baseHome.value;
    const sharing = this.members.filter((one) => one.store.location.baseHome.value === home);
    if (sharing.length < 2) return undefined;
    const own = sharing.find((one) => one.store === store)!;
    const first = this.asked.get(home) ?? own;
    this.asked.set(home, first);
    if (first !== own) return EVERYTHING;
    return new Set(sharing.flatMap(({ store: { deps, location } }) => idsOrNone(deps, location)));
  }

  /** Shows, in the document of several stores, what became of each. */
  show(document: JsonDocument): void {
    if (!this.isMany) return;
    const stores = this.members.map(({ given, store, facts, error }): OutputValue => {
      const names = { state_dir: store.location.stateDir.value, given };
      return error === undefined
        ? { ...names, ok: true, ...facts }
        : { ...names, ok: false, error: errorEnvelope(error) as unknown as OutputValue };
    });
    document.member('stores', stores);
  }

  /**
   * Ends a command that has shown what it found.
   *
   * @throws HermesctlError the common code where all stores failed alike, `PARTIAL` where some failed.
   */
  assertAll(): void {
    const { failed } = this;
    if (failed.length === 0) return;
    const message = `${failed.length} of ${this.members.length} stores failed: ${failed.map(({ store }) => store).join(', ')}.`;
    throw new HermesctlError(sharedCode(failed, this.members.length), message, {
      details: { failed: failed.map(({ store, error }) => ({ store, code: error.code })) },
    });
  }
}

/**
 * What tells these directories apart: their paths without the directories that
 * all of them begin and end with. For people, and a column that has little room.
 */
export function shortNames(dirs: readonly string[]): Map<string, string> {
  if (dirs.length < 2) return new Map(dirs.map((dir) => [dir, dir]));
  const paths = dirs.map((dir) => dir.split(sep));
  const shortest = Math.min(...paths.map((names) => names.length));
  const common = (limit: number, at: (names: string[], i: number) => string | undefined): number => {
    let count = 0;
    while (count < limit && paths.every((names) => at(names, count) === at(paths[0], count))) count++;
    return count;
  };
  const before = common(shortest - 1, (names, i) => names[i]);
  const after = common(shortest - 1 - before, (names, i) => names.at(-1 - i));
  return new Map(paths.map((names, i) => [dirs[i], names.slice(before, names.length - after).join(sep)]));
}

/** Everything that the databases have. */
export const EVERYTHING: IdSet = { has: () => true };

/** That a store cannot be read is said when its turn comes. */
function idsOrNone({ fs }: Context['deps'], location: Location): string[] {
  try {
    return sessionIds(fs, location);
  } catch (error) {
    if (error instanceof HermesctlError || isSystemError(error)) return [];
    throw error;
  }
}

/** The state directories that a list names: one a line, without blank lines and those that begin with `#`; or by NUL. */
function storesIn(context: Context, file: string, nullSeparated: boolean): string[] {
  const text = readList(context, file);
  if (nullSeparated) return text.split('\0').filter((name) => name !== '');
  if (text.includes('\0')) {
    throw new HermesctlError('USAGE', `The list ${file} holds NUL characters: it is not one name a line.`, {
      hint: 'Write one state directory a line; commands that have -0 read names that end with NUL.',
      details: { path: file },
    });
  }
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function readList(context: Context, file: string): string {
  if (file === '-' && context.terminal.stdinIsTerminal) {
    throw new HermesctlError('USAGE', '--stores - would wait for you to type the list.', {
      hint: 'Pipe it in, or name a file.',
    });
  }
  try {
    return (file === '-' ? readInput() : readFileSync(file)).toString('utf8');
  } catch (error) {
    throw isSystemError(error) ? ioError(error, file === '-' ? 'standard input' : file) : error;
  }
}
