import { type Node, spelled, valuePatterns } from './table';

/** A completion script for bash, 3.2 or newer: it needs nothing but bash. */
export function bashCompletion(bin: string, nodes: readonly Node[]): string {
  return `# Completion of ${bin} for bash. Made by '${bin} completion bash'; make it anew after an upgrade.
# shellcheck disable=SC2207 # what is split here are words without blanks

# What can stand where: sets next (words), flags, and known where there is such a command or topic.
_${bin}_at() {
  next='' flags='' known=1
  case $1 in
${nodes.map(nodeCase).join('\n')}
  *) known='' ;;
  esac
}

# Whether a flag ($2) of a command ($1) takes a value, and what it can be: sets value.
_${bin}_value() {
  value=''
  case "$1 $2" in
${valuePatterns(nodes)
  .map(({ paths, names, value }) => `  ${flagPattern(paths, names)}) value=${quoted(spelled(value))} ;;`)
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

_${bin}() {
  local program=$1 cur=\${COMP_WORDS[COMP_CWORD]} path='' count=0 ended='' helps='' next flags known value word flag i
  local store=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -z $ended && $word == -- ]]; then
      ended=1
    elif [[ -z $ended && $word == -?* ]]; then
      # bash breaks --flag=value into three words.
      _${bin}_value "$path" "$word"
      [[ -n $value ]] || continue
      flag=$word
      if [[ \${COMP_WORDS[i + 1]} == '=' ]]; then ((i++)); fi
      ((i++))
      if ((i >= COMP_CWORD)); then
        if ((i > COMP_CWORD)); then cur=''; fi
        _${bin}_offer "$value"
        return
      fi
      case $flag in
      --state-dir | --hermes-home | --profile | -p) store+=("$flag" "\${COMP_WORDS[i]//[\\"\\'\\\\]/}") ;;
      esac
    elif [[ -z $path && -z $helps && $word == help ]]; then
      helps=1
    else
      _${bin}_at "\${path:+$path }$word"
      if ((count == 0)) && [[ -n $known ]]; then path="\${path:+$path }$word"; else ((count++)); fi
    fi
  done
  _${bin}_at "$path"
  if [[ -z $ended && $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    return
  fi
  if ((count == 0)) && [[ -n $next ]]; then COMPREPLY=($(compgen -W "$next" -- "$cur")); fi
  if [[ -n $helps ]]; then return; fi
  _${bin}_argument "$path" "$count"
  _${bin}_offer "$value"
}

_${bin}_paths() {
  local name
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$cur")
}

# Puts what a value can be into COMPREPLY. Asks the program for ids, and says nothing where that fails.
_${bin}_offer() {
  local limit=()
  case $1 in
  files) _${bin}_paths -f ;;
  directories) _${bin}_paths -d ;;
  programs) COMPREPLY+=($(compgen -c -- "$cur")) ;;
  ids:*)
    if type -P timeout >/dev/null; then limit=(timeout 3); fi
    COMPREPLY+=($(\${limit[@]+"\${limit[@]}"} "$program" complete-ids --of "\${1#ids:}" \${store[@]+"\${store[@]}"} -- "$cur" 2>/dev/null </dev/null))
    ;;
  words:*) COMPREPLY+=($(compgen -W "\${1#words:}" -- "$cur")) ;;
  esac
}

complete -F _${bin} ${bin}
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const orNone = (paths: readonly string[]): string => paths.map(quoted).join(' | ');

function nodeCase({ paths, next, flags }: Node): string {
  const words = next.map(({ word }) => word).join(' ');
  const names = flags.flatMap((flag) => flag.names).join(' ');
  return `  ${orNone(paths)}) ${words === '' ? '' : `next=${quoted(words)} `}flags=${quoted(names)} ;;`;
}

function flagPattern(paths: '*' | string[], names: readonly string[]): string {
  const commands = paths === '*' ? ['*'] : paths.map(quoted);
  return commands.flatMap((path) => names.map((name) => `${path}' ${name}'`)).join(' | ');
}

/** The arguments of one command; the last stands for all that follow where it may come again. */
function argumentCases({ paths, args, repeats }: Node): string[] {
  return args.flatMap((completion, i) => {
    const isOpen = repeats && i === args.length - 1;
    const patterns = paths.map((path) => (isOpen ? `${quoted(path)}' '*` : quoted(`${path} ${i}`)));
    return [`  ${patterns.join(' | ')}) value=${quoted(spelled(completion))} ;;`];
  });
}
