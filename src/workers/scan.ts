import { parentPort, workerData } from 'node:worker_threads';

import { nodeFileSystem } from '../core/files/file-system';
import { type FileRow, packRows, readFileRow, type ReadShare, Shares } from '../core/index/file-rows';
import { TextStore } from '../core/index/text-store';
import { Window } from '../core/json/window';

/*
 * Reads shares of the session files of a job, until there are none left.
 * Started by src/cli/workers.ts; what fails here is done by who started it.
 */

const ROWS_AT_ONCE = 256;

const { job, counter } = workerData as ReadShare;
const shares = new Shares(job.ids.length, counter);
const window = Window.fast();
const texts = new TextStore();
const now = (): number => Date.now() / 1000;

let rows: { place: number; row: FileRow }[] = [];
const send = (): void => {
  const packed = packRows(rows);
  parentPort!.postMessage(packed, [packed.texts.buffer as ArrayBuffer]);
  rows = [];
};

for (let share = shares.take(); share; share = shares.take()) {
  for (let place = share.from; place < share.to; place++) {
    rows.push({ place, row: readFileRow(nodeFileSystem, job, job.ids[place], window, texts, now) });
  }
  if (rows.length >= ROWS_AT_ONCE) send();
}
send();
