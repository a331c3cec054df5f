/** A command that a text names to be run, as it is for a profile. */
export function forProfile(command: string, profile: string): string {
  const [program, ...rest] = command.split(' ');
  return program === 'hermes' ? [program, '-p', profile, ...rest].join(' ') : `${command} -p ${profile}`;
}

/** What flags name the places by, where the caller's surroundings do not. */
export interface NamedPlaces {
  stateDir?: string | undefined;
  home?: string | undefined;
  profile?: string | undefined;
}

/** A command that is to be run, as it is for these places: without them it would act elsewhere. */
export function forPlaces(command: string, { stateDir, home, profile }: NamedPlaces): string {
  if (/ (--help|--list|--state-dir|--hermes-home)\b/.test(command)) return command;
  const named = profile === undefined || / -p /.test(command) ? command : forProfile(command, profile);
  if (command.startsWith('hermes ')) return home === undefined ? named : `HERMES_HOME=${quoted(home)} ${named}`;
  const store = stateDir === undefined ? '' : ` --state-dir ${quoted(stateDir)}`;
  return `${named}${store}${home === undefined ? '' : ` --hermes-home ${quoted(home)}`}`;
}

/** A text with the commands in it, which stand in quotes, as `change` makes them. */
export function withCommands(text: string, change: (command: string) => string): string {
  return text.replace(/'(hermes(?:ctl)? [^']*)'/g, (_, command: string) => `'${change(command)}'`);
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
