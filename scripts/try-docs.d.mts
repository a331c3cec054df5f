export interface Block {
  language: string;
  more: string;
  at: number;
  lines: string[];
}

/** The fenced blocks of a page. */
export function blocksOf(markdown: string): Block[];

/** README and every page of docs but the reference. */
export function docPages(): string[];

/** Tries the pages with this program. */
export function tryDocs(
  program: string,
  pages?: string[],
  nodeDir?: string,
): Promise<{ wrong: string[]; summary: string }>;
