import type { OpenFile } from '../files/open-file';
import { arrayItemSpans, type MemberSpan } from '../json/document';
import type { RawJson } from '../json/raw';
import { readSpan } from '../sidecar/messages';
import type { ScannedSidecar } from '../sidecar/read';

/**
 * Spells a value of a session for output, on one line; `path` is where it stands (`.messages[3]`), `key` its member.
 * Both are empty for the name of a member.
 */
export type Spell = (raw: RawJson, path: string, key: string) => string;

/** Pieces of a JSON text, to be written one after another. */
export type Pieces = Generator<string, void, void>;

/**
 * A session as a JSON object on one line, member by member, lists item by item:
 * memory is that of the longest item. Keys and their order are the file's.
 *
 * @param instead what stands for a member's value, where that is not its own.
 */
export function* spellSession(
  file: OpenFile,
  sidecar: ScannedSidecar,
  spell: Spell,
  instead: (member: MemberSpan) => string | undefined = () => undefined,
): Pieces {
  yield '{';
  for (const [i, member] of sidecar.members.entries()) {
    const name = spell(readSpan(file, { start: member.keyStart, end: member.keyEnd }), '', '');
    yield `${i === 0 ? '' : ','}${name}:`;
    const given = instead(member);
    if (given === undefined) yield* spellMember(file, member, spell);
    else yield given;
  }
  yield '}';
}

/** The value of one member. */
export function* spellMember(file: OpenFile, member: MemberSpan, spell: Spell): Pieces {
  if (member.kind !== 'array') {
    yield spell(readSpan(file, member), `.${member.key}`, member.key);
    return;
  }
  yield '[';
  let i = 0;
  for (const span of arrayItemSpans(file.source, member.start)) {
    yield (i === 0 ? '' : ',') + spell(readSpan(file, span), `.${member.key}[${i}]`, member.key);
    i++;
  }
  yield ']';
}
