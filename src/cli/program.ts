import { type Command, Config, type Interfaces, Plugin } from '@oclif/core';

/** What the build puts together: the commands, and what is said of them where none of them is loaded. */
export interface Program {
  /** The package's description, as far as oclif reads it. */
  pjson: Interfaces.PJSON;
  /** Every command's class by its id (`sessions:list`), evaluated when it is asked for. */
  commands: Readonly<Record<string, () => Command.Class>>;
  /** Every name that a command has, with `:` between words, and the id of the command. */
  names: Readonly<Record<string, string>>;
  /** What help shows of all commands, without loading them. */
  manifest: () => Interfaces.Manifest;
}

/** A command that a command line names, and what stands behind its name. */
export interface NamedCommand {
  command: Command.Class;
  argv: string[];
}

/**
 * The command that a command line begins with, by the longest name; undefined
 * where it begins with none.
 */
export function namedCommand(argv: readonly string[], program: Program): NamedCommand | undefined {
  for (let words = Math.min(MAX_WORDS, argv.length); words > 0; words--) {
    const name = argv.slice(0, words).join(':');
    if (!Object.hasOwn(program.names, name)) continue;
    const id = program.names[name];
    const command = program.commands[id]();
    command.id = id;
    return { command, argv: argv.slice(words) };
  }
  return undefined;
}

/** No name has more words than this. */
const MAX_WORDS = 2;

/** Whether names of commands begin with these words, which are none themselves. */
export function isTopic(words: readonly string[], { names }: Program): boolean {
  const topic = words.join(':');
  return !Object.hasOwn(names, topic) && Object.keys(names).some((name) => name.startsWith(`${topic}:`));
}

/** Whether a command line asks for help, before anything that is to be taken as it stands. */
export function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

/** As oclif spells it. */
export function versionLine({ pjson }: Program): string {
  return `${pjson.name}/${pjson.version} ${process.platform}-${process.arch} node-${process.version}`;
}

/**
 * The part of oclif's configuration that a command that is run reads. The
 * whole of it knows every command, which only help does ({@link wholeConfig}).
 */
export function configOf(program: Program): Config {
  const { pjson } = program;
  const config = {
    bin: pjson.oclif.bin,
    name: pjson.name,
    version: pjson.version,
    pjson,
    topicSeparator: ' ',
    scopedEnvVarKeys: (key: string) => [`${pjson.name.toUpperCase()}_${key}`],
    runHook: () => Promise.resolve({ successes: [], failures: [] }),
    program,
  };
  return config as unknown as Config;
}

/** What {@link configOf} made a command's configuration of. */
export function programOf(config: Config): Program {
  return (config as unknown as { program: Program }).program;
}

/** oclif's configuration with all commands, made of what the build knows: nothing is looked for in the file system. */
export async function wholeConfig({ pjson, commands, manifest }: Program): Promise<Config> {
  const plugin = new Plugin({ name: pjson.name, root: __dirname, pjson, isRoot: true });
  Object.assign(plugin, {
    _manifest: () => Promise.resolve(manifest()),
    findCommand: (id: string) => Promise.resolve(Object.assign(commands[id](), { id, plugin })),
  });
  await plugin.load();
  // oclif asks for the user's shell in the password file, where an arbitrary user of a container has no line.
  process.env['SHELL'] ??= 'unknown';
  return Config.load({ root: __dirname, pjson, plugins: [plugin], enableAutoTranspile: false } as never);
}

/** Whether this is a second entry of a command, under another name of its. */
export function isAlias({ id, aliases }: Pick<Command.Loadable, 'id' | 'aliases'>): boolean {
  return aliases.some((alias) => alias.replaceAll(':', ' ') === id.replaceAll(':', ' '));
}
