import type { Terminal } from './output/terminal';

const CTRL_C = '\x03';

/**
 * Hands each key to `onKey` as it is pressed, without showing it; Ctrl-C stays
 * the signal. Nothing is heard where standard input is no terminal.
 *
 * @returns what ends it and gives the terminal back; it may be called twice.
 */
export function listenForKeys(onKey: (key: string) => void, { stdinIsTerminal }: Terminal): () => void {
  if (!stdinIsTerminal) return () => undefined;
  const { stdin } = process;
  const onData = (keys: Buffer): void => {
    for (const key of keys.toString('latin1')) {
      if (key === CTRL_C) process.kill(process.pid, 'SIGINT');
      else onKey(key);
    }
  };
  stdin.setRawMode(true);
  stdin.on('data', onData);
  stdin.resume(); // after a pause, a listener alone does not
  return () => {
    stdin.removeListener('data', onData);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
