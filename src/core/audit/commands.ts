/** The command that brings back what a session's backup holds. */
export function restoreCommand(id: string): string {
  return `hermesctl sessions restore ${id} --from-bak`;
}
