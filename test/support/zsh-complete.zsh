# Prints what a real interactive zsh offers for each command line on standard input:
# `zsh -f zsh-complete.zsh COMPLETION-SCRIPT`, one line of offers, in blanks, a line of input.
zmodload zsh/zpty
zmodload zsh/zselect
local place=$(mktemp -d) line drained
local -a lines=("${(@f)$(cat)}")
: >$place/answers
cat >$place/setup <<SETUP
unsetopt beep
LISTMAX=0
autoload -Uz compinit
compinit -D -u
source ${(q)1}
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "\$@"; return; fi
  local -a __offered
  builtin compadd -A __offered "\$@"
  offered+=(\$__offered)
  builtin compadd "\$@"
}
offer() {
  typeset -ga offered=()
  zle list-choices
  BUFFER=
  print -r -- "\${(u)offered}" >>$place/answers
}
zle -N offer
bindkey '^X^X' offer
print READY >>$place/answers
SETUP
answered() {
  until (( $(wc -l <$place/answers) >= $1 )); do
    while zpty -rt shell drained; do :; done
    zselect -t 2
  done
}
zpty shell "zsh -f -i"
zpty -w shell "source $place/setup"
answered 1
integer n=1
for line in $lines; do
  zpty -w -n shell "$line"$'\C-X\C-X'
  answered $((++n))
done
zpty -d shell
tail -n +2 $place/answers
rm -r $place
