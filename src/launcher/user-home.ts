/**
 * The user's home, as `os.homedir` finds it. The variable is looked at first,
 * which is all that mostly happens: the module need not be loaded for it.
 */
export function userHome(): string {
  const { HOME: home } = process.env;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only where the variable does not say it
  return process.platform !== 'win32' && home ? home : (require('node:os') as typeof import('node:os')).homedir();
}
