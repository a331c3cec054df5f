import { describe, expect, it } from 'vitest';

import { readTranscript } from '../../src/core/agent-db/messages';
import { withAgentDatabase } from '../../src/core/agent-db/open';
import { buildAgentDatabase } from '../support/agent-db';
import { testDeps } from '../support/deps';
import { ALL_VECTORS, parseSpelled, type Recorded, recorded, storeOf } from '../support/vectors';

/** August shows content that is no string in the form in which the agent stores it; here it is decoded. */
function decodedContent(message: Recorded): Recorded {
  const { content } = message;
  if (typeof content !== 'string' || !content.startsWith('\0json:')) return message;
  return { ...message, content: parseSpelled(content.slice('\0json:'.length)) };
}

describe.each(ALL_VECTORS)('$name', (vector) => {
  it("reads transcripts of the agent's database as August imports them", async () => {
    const store = storeOf(vector);
    const { cli_messages: expected } = recorded(vector, 'head', store);
    expect(Object.keys(expected).length).toBeGreaterThan(0);
    await withAgentDatabase(buildAgentDatabase(store), testDeps(), async (database) => {
      for (const [id, theirs] of Object.entries(expected)) {
        const transcript = await readTranscript(database, id);
        const ours: Recorded[] = [];
        for await (const raw of transcript.messages()) ours.push(parseSpelled(raw.text) as Recorded);
        expect(
          ours.map((message) => Object.entries(message)),
          id,
        ).toEqual(theirs.map((message) => Object.entries(decodedContent(message))));
        expect(transcript.count).toBe(ours.length);
        expect(transcript.segments.at(-1)).toBe(id);
      }
    });
  });
});
