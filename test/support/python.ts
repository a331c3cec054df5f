import { spawnSync } from 'node:child_process';

const MAX_OUTPUT = 256 * 1024 * 1024;

/** Whether there is a Python to compare with. Where there is none such tests are skipped, and say so. */
export const HAS_PYTHON = spawnSync('python3', ['--version']).status === 0;

/** Runs a script with this as its standard input, and gives what it prints. */
export function python(script: string, input: string | Buffer): string {
  const { status, stdout, stderr, error } = spawnSync('python3', ['-c', script], {
    input,
    maxBuffer: MAX_OUTPUT,
    env: { ...process.env, PYTHONIOENCODING: 'utf-8:surrogatepass' },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`python3 ended with ${status}: ${stderr.toString()}`);
  return stdout.toString('utf8');
}
