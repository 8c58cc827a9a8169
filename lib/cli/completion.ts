/** `ringlb completion`: a script that completes commands and options in bash and zsh. */
import { KEYS, OPTIONS } from '../config/options.ts';
import { orList } from '../config/suggest.ts';
import type { Command } from './command.ts';
import { type CommandOption, wrongUsage } from './usage.ts';

const SHELLS: readonly string[] = ['bash', 'zsh'];

/** The script for a shell, which is the same for both: zsh runs bash's completions. */
export function completionScript(
  words: readonly string[],
  commands: readonly Command[],
  commonOf: (command: Command) => Readonly<Record<string, CommandOption>>,
): string {
  const [shell = '', ...more] = words;
  if (!SHELLS.includes(shell) || more.length > 0) wrongUsage(`completion takes a shell: ${orList(SHELLS)}`);
  const names = ['serve', ...commands.map(({ name }) => name), 'help', 'version', 'completion'];
  const ofServe = [...KEYS.map((key) => `--${OPTIONS[key].flag}`), '--help', '--version'];
  const cases = commands.map((command) => {
    const { name, options } = command;
    const flags = Object.keys({ ...options, ...commonOf(command) }).map((flag) => `--${flag}`);
    return `    ${name}) words="${flags.join(' ')}" ;;`;
  });
  return `# completion of ringlb; for ${shell}: source <(ringlb completion ${shell})
if [ -n "\${ZSH_VERSION-}" ]; then
  whence compdef >/dev/null || { autoload -Uz compinit && compinit; }
  autoload -Uz bashcompinit && bashcompinit
fi

_ringlb() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command='' word words at
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    case "$word" in
    ${names.join('|')}) command="$word"; break ;;
    esac
  done
  case "$command" in
    help) words="${names.filter((name) => name !== 'help').join(' ')}" ;;
    completion) words="${SHELLS.join(' ')}" ;;
    version) words='' ;;
${cases.join('\n')}
    serve) words="${ofServe.join(' ')}" ;;
    *) words="${names.join(' ')} ${ofServe.join(' ')}" ;;
  esac
  # zsh's compgen does not filter by what is there already
  COMPREPLY=()
  for word in $words; do
    case "$word" in "$current"*) COMPREPLY+=("$word") ;; esac
  done
}
complete -o default -F _ringlb ringlb
`;
}
