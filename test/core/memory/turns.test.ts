import { describe, expect, it } from 'vitest';

import { completedTurns } from '../../../src/core/memory/turns';

const user = (content: unknown, timestamp = 1): object => ({ role: 'user', content, timestamp });
const assistant = (content: unknown, more: object = {}): object => ({
  role: 'assistant',
  content,
  timestamp: 2,
  ...more,
});

describe('a completed turn', () => {
  it.each<[string, number, unknown[], boolean?]>([
    ['a question and its answer', 1, [user('a'), assistant('b')]],
    ['two of them', 2, [user('a'), assistant('b'), user('c'), assistant('d')]],
    ['an answer in parts', 1, [user('a'), assistant([{ type: 'text', text: 'b' }])]],
    [
      'an answer after tools',
      1,
      [user('a'), assistant('', { tool_calls: [{}] }), { role: 'tool', content: 'x' }, assistant('b')],
    ],
    ['two that are the same', 2, [user('a'), assistant('b'), user('a'), assistant('b')]],
    ['not: a question alone', 0, [user('a')]],
    ['not: an answer alone', 0, [assistant('b')]],
    ['not: an answer without text', 0, [user('a'), assistant(' \n'), user('c'), assistant(null)]],
    ['not: a partial answer', 0, [user('a'), assistant('b', { _partial: true })]],
    ['not: an error', 0, [user('a'), assistant('b', { _error: true })]],
    [
      'not: one that ends in a tool’s result',
      0,
      [user('a'), assistant('b', { tool_calls: [{}] }), { role: 'tool', content: 'x' }],
    ],
    [
      'not: an answer that was begun again and failed',
      0,
      [user('a'), assistant('b'), assistant('c', { _error: true })],
    ],
    ['not: what is no message', 0, [null, 1, 'x', [], {}, { role: 7 }]],
    ['not the last one, while a stream is recorded', 1, [user('a'), assistant('b'), user('c'), assistant('d')], true],
  ])('%s', (_, count, messages, isBusy = false) => {
    const turns = completedTurns(messages, isBusy, 99);
    expect(turns).toHaveLength(count);
    expect(new Set(turns.map(({ digest }) => digest)).size).toBe(count);
    for (const { digest } of turns) expect(digest).toMatch(/^[0-9a-f]{16}$/);
  });

  it('was completed when its answer came, else when it was asked, else not later than the rest', () => {
    const at = (...messages: unknown[]): number => completedTurns(messages, false, 99)[0].at;
    expect(at(user('a', 5), assistant('b', { timestamp: 7 }))).toBe(7);
    expect(at(user('a', 5), assistant('b', { timestamp: undefined }))).toBe(5);
    expect(at({ role: 'user', content: 'a' }, assistant('b', { timestamp: 'never' }))).toBe(99);
  });
});
