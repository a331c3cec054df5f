/** The command that brings back what a session's backup holds. */
export function restoreCommand(id: string): string {
  return `hermesctl sessions restore ${id} --from-bak`;
}

/** A command that a finding names, as it is for a profile. */
export function forProfile(command: string, profile: string): string {
  const [program, ...rest] = command.split(' ');
  return program === 'hermes' ? [program, '-p', profile, ...rest].join(' ') : `${command} -p ${profile}`;
}

/** A command that a finding names, as it is for a store and a home that the caller's surroundings do not name. */
export function forStore(command: string, stateDir: string, home: string): string {
  if (command.startsWith('hermes ')) return `HERMES_HOME=${quoted(home)} ${command}`;
  return `${command} --state-dir ${quoted(stateDir)} --hermes-home ${quoted(home)}`;
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
