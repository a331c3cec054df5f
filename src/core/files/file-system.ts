import * as nodeFs from 'node:fs';

/**
 * The file system calls that the core makes, all synchronous: for many small
 * files that is the fastest way by far, and a fault can be put at each call.
 */
export type FileSystem = Pick<
  typeof nodeFs,
  | 'constants'
  | 'openSync'
  | 'closeSync'
  | 'readSync'
  | 'writeSync'
  | 'fsyncSync'
  | 'fstatSync'
  | 'fchownSync'
  | 'chownSync'
  | 'chmodSync'
  | 'lstatSync'
  | 'statSync'
  | 'readdirSync'
  | 'readFileSync'
  | 'writeFileSync'
  | 'realpathSync'
  | 'linkSync'
  | 'readlinkSync'
  | 'copyFileSync'
  | 'mkdirSync'
  | 'mkdtempSync'
  | 'rmSync'
  | 'renameSync'
  | 'utimesSync'
  | 'unlinkSync'
  | 'rmdirSync'
  | 'symlinkSync'
  | 'fchmodSync'
  | 'futimesSync'
>;

export const nodeFileSystem: FileSystem = nodeFs;
