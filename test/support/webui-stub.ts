import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { onTestFinished } from 'vitest';

import { bareEnvironment } from './cli';
import type { TestStore } from './store';

export interface StubOptions {
  /** What becomes of every change: an answer of this status, or a server that dies before it answers. */
  fail?: { status?: number; error?: string; dies?: boolean };
  password?: string;
  /** A turn is running. */
  busy?: boolean;
  /** Something else than a WebUI answers. */
  isWebui?: boolean;
  /** Asked for its health, it writes another row for this session into the index. */
  touches?: string;
}

export interface Stub {
  url: string;
  port: string;
  pid: number;
  /** Method and path of every request so far. */
  requests(): string[];
}

/** Starts a stand-in for a WebUI server that has this store; it is gone when the test is over. */
export async function startStub(store: TestStore, options: StubOptions = {}): Promise<Stub> {
  const log = path.join(store.root, 'stub.log');
  fs.writeFileSync(log, '');
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'webui-server.mjs')], {
    env: bareEnvironment({ ...store.env, STUB: JSON.stringify(options), STUB_LOG: log }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the stub ended with ${code}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    requests: () => fs.readFileSync(log, 'utf8').split('\n').filter(Boolean),
  };
}
