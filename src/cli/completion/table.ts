import type { Command, Config } from '@oclif/core';

import { isAlias } from '../program';

/** What a word of a command line can be. `ids`: the sessions of the store, of the agent's database, or of the trash. */
export type Completion =
  | { kind: 'words'; words: readonly string[] }
  | { kind: 'files' | 'directories' | 'programs' | 'nothing' }
  | { kind: 'ids'; of: IdSource };

export type IdSource = 'sessions' | 'agent' | 'trash';

export interface FlagToComplete {
  /** With dashes, the long one first: `--limit`, `-L`. */
  names: string[];
  summary: string;
  /** What its value can be; undefined for a flag without one. */
  value: Completion | undefined;
}

/** A word or several that a command line can begin with: a command, a topic, or both. */
export interface Node {
  /** The words with spaces between, the name first and then its aliases; `['']` for the program itself. */
  paths: string[];
  next: { word: string; summary: string }[];
  flags: FlagToComplete[];
  /** What each argument can be, in order. */
  args: Completion[];
  /** Whether the last argument may come again. */
  repeats: boolean;
}

/** Whose ids the arguments of a command are, where it is not simply those that can be read. */
const IDS: Record<string, IdSource> = { 'sessions:import-cli': 'agent', 'sessions:restore': 'trash' };

const HELP: FlagToComplete = { names: ['--help', '-h'], summary: 'Show help for the command.', value: undefined };

/** Everything that can be typed behind `hermesctl`, from the commands as oclif knows them. */
export function completionTable(config: Config): Node[] {
  const commands = config.commands.filter((command) => !command.hidden && !isAlias(command));
  const nodes = new Map<string, Node>();
  const nodeAt = (path: string): Node => {
    const found = nodes.get(path);
    if (found) return found;
    const made: Node = { paths: [path], next: [], flags: [], args: [], repeats: false };
    nodes.set(path, made);
    return made;
  };
  const root = nodeAt('');
  root.flags = [HELP, { names: ['--version'], summary: 'Show the version.', value: undefined }];
  for (const command of [...commands].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const [path, ...aliases] = [command.id, ...command.aliases].map((id) => id.replaceAll(':', ' '));
    for (const name of [path, ...aliases]) announce(name, summaryOf(command), config, nodeAt);
    const node = nodeAt(path);
    node.paths.push(...aliases);
    node.flags = flagsOf(command);
    const args = Object.values(command.args);
    node.args = args.map((arg) => argCompletion(command.id, arg));
    node.repeats = !command.strict;
  }
  for (const { next } of nodes.values()) next.sort((a, b) => (a.word < b.word ? -1 : 1));
  return [...nodes.values()];
}

/** Lets every node on the way to a command know the word that follows it. */
function announce(path: string, summary: string, config: Config, nodeAt: (path: string) => Node): void {
  const words = path.split(' ');
  words.forEach((word, i) => {
    const { next } = nodeAt(words.slice(0, i).join(' '));
    const isLast = i === words.length - 1;
    const topic = config.findTopic(words.slice(0, i + 1).join(':'))?.description ?? '';
    if (!next.some((known) => known.word === word)) next.push({ word, summary: isLast ? summary : topic });
  });
}

function summaryOf({ summary, description }: Command.Loadable): string {
  return oneLine(summary ?? description ?? '');
}

function flagsOf(command: Command.Loadable): FlagToComplete[] {
  const shown = Object.values(command.flags).filter((flag) => !flag.hidden);
  const flags = shown.map((flag) => ({
    names: [
      `--${flag.name}`,
      ...(flag.char === undefined ? [] : [`-${flag.char}`]),
      ...(flag.type === 'boolean' && flag.allowNo ? [`--no-${flag.name}`] : []),
    ],
    summary: oneLine(flag.summary ?? flag.description ?? ''),
    value: flag.type === 'boolean' ? undefined : valueCompletion(flag),
  }));
  return [...flags, HELP].sort((a, b) => (a.names[0] < b.names[0] ? -1 : 1));
}

function valueCompletion(flag: { name: string; options?: readonly string[]; helpValue?: unknown }): Completion {
  if (flag.options) return { kind: 'words', words: flag.options };
  const values = String(flag.helpValue).split('|');
  if (values.includes('FILE')) return { kind: 'files' };
  if (values.includes('DIR')) return { kind: 'directories' };
  if (values.includes('PROGRAM')) return { kind: 'programs' };
  return flag.name === 'session' ? { kind: 'ids', of: 'sessions' } : { kind: 'nothing' };
}

function argCompletion(id: string, arg: Command.Arg.Cached): Completion {
  if (arg.options) return { kind: 'words', words: arg.options };
  if (arg.name === 'file') return { kind: 'files' };
  if (arg.name === 'id' || arg.name === 'session') return { kind: 'ids', of: IDS[id] ?? 'sessions' };
  return { kind: 'nothing' };
}

function oneLine(text: string): string {
  return text.split('\n', 1)[0].trim();
}

/**
 * What the values of flags can be, as few patterns as possible: a flag that
 * means the same everywhere is named once, with `*` for the command.
 */
export function valuePatterns(nodes: readonly Node[]): { paths: '*' | string[]; names: string[]; value: Completion }[] {
  const uses = nodes.flatMap(({ paths, flags }) =>
    flags.flatMap(({ names, value }) => (value ? names.map((name) => ({ paths, name, value })) : [])),
  );
  const patterns = new Map<string, { paths: '*' | string[]; names: string[]; value: Completion }>();
  for (const { paths, name, value } of uses) {
    const spelled = JSON.stringify(value);
    const everywhere = uses.every((use) => use.name !== name || JSON.stringify(use.value) === spelled);
    const key = everywhere ? spelled : `${spelled} ${name}`;
    const pattern = patterns.get(key) ?? { paths: everywhere ? ('*' as const) : [], names: [], value };
    patterns.set(key, pattern);
    if (!pattern.names.includes(name)) pattern.names.push(name);
    if (pattern.paths !== '*') pattern.paths.push(...paths);
  }
  return [...patterns.values()];
}

/** A completion in one word or several, as the functions of the scripts hand it on. */
export function spelled(completion: Completion): string {
  if (completion.kind === 'words') return `words:${completion.words.join(' ')}`;
  return completion.kind === 'ids' ? `ids:${completion.of}` : completion.kind;
}
