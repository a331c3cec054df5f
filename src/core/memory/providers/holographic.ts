import type { MemoryProvider } from './provider';

/**
 * Keeps facts as they are told, in a database without sessions; at the end of
 * a session without messages, which is how the server ends one, it does nothing.
 */
export const HOLOGRAPHIC: MemoryProvider = {
  commit: () => Promise.resolve({ outcome: 'nothing_to_commit', taskId: null }),
};
