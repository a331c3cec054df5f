import { type Node, spelled, valuePatterns } from './table';

/** A completion script for zsh, to be put into a directory of `$fpath` or to be evaluated. */
export function zshCompletion(bin: string, nodes: readonly Node[]): string {
  return `#compdef ${bin}
# Completion of ${bin} for zsh. Made by '${bin} completion zsh'; make it anew after an upgrade.

# What can stand behind the words $1: sets next, flags and known.
_${bin}_at() {
  next=() flags=() known=1
  case $1 in
${nodes.map(nodeCase).join('\n')}
  (*) known='' ;;
  esac
}

# What the value of a flag ($2) of a command ($1) can be: sets value; empty: it takes none.
_${bin}_value() {
  value=''
  case "$1 $2" in
${valuePatterns(nodes)
  .map(({ paths, names, value }) => `  (${flagPattern(paths, names)}) value=${quoted(spelled(value))} ;;`)
  .join('\n')}
  esac
}

# What the argument number $2 (from 0) of a command ($1) can be: sets value.
_${bin}_argument() {
  value=''
  case "$1 $2" in
${nodes.flatMap(argumentCases).join('\n')}
  esac
}

# Offers what a value can be. Asks the program for ids, and says nothing where that fails.
_${bin}_offer() {
  local -a found limit
  case $1 in
  (files) _files ;;
  (directories) _files -/ ;;
  (programs) _command_names -e ;;
  (words:*) found=(\${=1#words:}); compadd -a found ;;
  (ids:*)
    (( \${+commands[timeout]} )) && limit=(timeout 3)
    found=("\${(@f)$($limit $program complete-ids --titles --of "\${1#ids:}" $store -- "$PREFIX" 2>/dev/null </dev/null)}")
    found=(\${found:#})
    found=("\${(@)found//:/\\\\:}")
    found=("\${(@)found/$'\\t'/:}")
    (( $#found )) && _describe -V session found
    ;;
  esac
}

_${bin}() {
  local program=$words[1] at='' ended='' helps='' known value word flag
  local -a next flags store
  local -i count=0 i
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ -z $ended && $word == -- ]]; then
      ended=1
    elif [[ -z $ended && $word == -?* ]]; then
      flag=\${word%%=*}
      _${bin}_value "$at" "$flag"
      [[ -z $value || $word == *=* ]] && continue
      (( ++i ))
      if (( i == CURRENT )); then
        _${bin}_offer "$value"
        return
      fi
      case $flag in
      (--state-dir|--hermes-home|--profile|-p) store+=("$flag" "\${(Q)words[i]}") ;;
      esac
    elif [[ -z $at && -z $helps && $word == help ]]; then
      helps=1
    else
      _${bin}_at "\${at:+$at }$word"
      if (( count == 0 )) && [[ -n $known ]]; then at="\${at:+$at }$word"; else (( ++count )); fi
    fi
  done
  _${bin}_at "$at"
  if [[ -z $ended && $PREFIX == --*=* ]]; then
    _${bin}_value "$at" "\${PREFIX%%=*}"
    compset -P '*='
    _${bin}_offer "$value"
    return
  fi
  if [[ -z $ended && $PREFIX == -* ]]; then
    _describe -o flag flags
    return
  fi
  (( count == 0 && $#next )) && _describe command next
  [[ -n $helps ]] && return
  _${bin}_argument "$at" "$count"
  _${bin}_offer "$value"
}

if [[ $funcstack[1] == _${bin} ]]; then
  _${bin} "$@"
else
  compdef _${bin} ${bin}
fi
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** One entry of `_describe`: the word and what it is, a colon between. */
const described = (word: string, summary: string): string =>
  quoted(`${word.replaceAll(':', '\\:')}:${summary.replaceAll('\\', '\\\\')}`);

function nodeCase({ paths, next, flags }: Node): string {
  const words = next.map(({ word, summary }) => described(word, summary));
  const names = flags.flatMap((flag) => flag.names.map((name) => described(name, flag.summary)));
  return [
    `  (${paths.map(quoted).join('|')})`,
    ...(words.length > 0 ? [`    next=(\n${words.map((word) => `      ${word}\n`).join('')}    )`] : []),
    `    flags=(\n${names.map((name) => `      ${name}\n`).join('')}    )`,
    '    ;;',
  ].join('\n');
}

function flagPattern(paths: '*' | string[], names: readonly string[]): string {
  const commands = paths === '*' ? ['*'] : paths.map(quoted);
  return commands.flatMap((path) => names.map((name) => `${path}' ${name}'`)).join('|');
}

function argumentCases({ paths, args, repeats }: Node): string[] {
  return args.map((completion, i) => {
    const isOpen = repeats && i === args.length - 1;
    const patterns = paths.map((path) => (isOpen ? `${quoted(path)}' '*` : quoted(`${path} ${i}`)));
    return `  (${patterns.join('|')}) value=${quoted(spelled(completion))} ;;`;
  });
}
