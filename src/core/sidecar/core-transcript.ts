import * as path from 'node:path';

import type { FileSystem } from '../files/file-system';
import { withFile } from '../files/open-file';
import { truthy } from '../json/python';
import { RawJson } from '../json/raw';
import { JsonReader } from '../json/reader';
import { asDamage, damaged } from './damage';

/** What the agent wrote down of a session: its messages and what it counted, as JSON text. */
export interface CoreTranscript {
  path: string;
  messages: RawJson;
  count: number;
  /** Members that the session takes over besides, by key. */
  others: Map<string, string>;
}

const TAKEN = ['tool_calls', 'input_tokens', 'output_tokens', 'estimated_cost'];

/**
 * The agent's own transcript of a session, `sessions/session_<id>.json` in the
 * profile's home; undefined where there is none or it has no messages
 * (seed 001).
 *
 * @throws HermesctlError `SESSION_DAMAGED`, `IO_ERROR`
 */
export function readCoreTranscript(fs: FileSystem, profileHome: string, id: string): CoreTranscript | undefined {
  const file = path.join(profileHome, 'sessions', `session_${id}.json`);
  return withFile(fs, file, ({ source, stamp }) => {
    const members = new Map<string, RawJson>();
    try {
      const reader = new JsonReader(source);
      if (reader.peekKind() !== 'object') throw damaged(file, id, 'not-an-object', 0);
      reader.beginObject();
      while (reader.nextMember()) {
        const key = reader.keyText();
        if (key === 'messages' || TAKEN.includes(key)) members.set(key, RawJson.fromBytes(reader.capture()));
        else reader.skipValue();
      }
      reader.finish();
    } catch (error) {
      throw asDamage(error, file, id, stamp.size);
    }
    const messages = members.get('messages');
    if (messages === undefined || !truthy(messages.value())) return undefined;
    const list = messages.value();
    if (!Array.isArray(list)) throw damaged(file, id, 'messages-not-a-list', 0);
    const others = new Map([['tool_calls', '[]']]);
    for (const key of TAKEN) {
      const raw = members.get(key);
      if (raw && raw.text !== 'null') others.set(key, raw.text);
    }
    return { path: file, messages, count: list.length, others };
  });
}
