/**
 * The fenced blocks of a page, with how each is to be run: HTML comments on the lines before a block in `sh` say it, and
 * the `text` or `json` block right after it is what it prints. CONTRIBUTING.md has the list of comments.
 */

export type Run =
  /** In the page's shell, to its end. */
  | { readonly kind: 'command' }
  /** It serves: the blocks that follow ask it. */
  | { readonly kind: 'background' }
  | { readonly kind: 'skipped'; readonly reason: string };

export interface Block {
  /** Of its opening fence, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  readonly run: Run;
  readonly isDocker: boolean;
  /** Options of the balancer that is started before it. */
  readonly serve: string | undefined;
  /** A file that has to have something in it first. */
  readonly waitFor: string | undefined;
  /** What it prints, as the page shows it. */
  readonly output: Fence | undefined;
}

export interface Fence {
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** The comments right before it. */
  readonly comments: readonly string[];
  /** Nothing but blank lines and comments is between it and the fence before. */
  readonly followsFence: boolean;
}

/** Every fence of a page, in order. Throws where one is not closed. */
export function fencesOf(page: string): readonly Fence[] {
  const lines = page.split('\n');
  const fences: Fence[] = [];
  let comments: string[] = [];
  let followsFence = false;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const opening = /^```(.*)$/.exec(line);
    const comment = /^<!-- (.*) -->$/.exec(line);
    if (opening) {
      const end = lines.indexOf('```', at + 1);
      if (end < 0) throw new Error(`the block at line ${at + 1} has no end`);
      const text = lines.slice(at + 1, end).join('\n');
      fences.push({ line: at + 1, language: opening[1]!, text, comments, followsFence });
      [at, comments, followsFence] = [end, [], true];
    } else if (comment) {
      comments.push(comment[1]!);
    } else if (line.trim() !== '') {
      [comments, followsFence] = [[], false];
    }
  }
  return fences;
}

const OUTPUTS = new Set(['text', 'json']);

/** The blocks of commands. Throws where a comment before one is not understood. */
export function blocksOf(page: string): readonly Block[] {
  const fences = fencesOf(page);
  return fences.flatMap((fence, at) => {
    if (fence.language !== 'sh') return [];
    const next = fences[at + 1];
    const output = next?.followsFence && OUTPUTS.has(next.language) ? next : undefined;
    return [{ ...fence, output, ...directivesIn(fence) }];
  });
}

function directivesIn({ comments, line }: Fence) {
  let run: Run = { kind: 'command' };
  let isDocker = false;
  let serve: string | undefined;
  let waitFor: string | undefined;
  for (const comment of comments) {
    const [, word = '', rest = ''] = /^([a-z ]+): (.+)$/.exec(comment) ?? [];
    if (word === 'not run') run = { kind: 'skipped', reason: rest };
    else if (word === 'serve') serve = rest;
    else if (word === 'wait for') waitFor = rest;
    else if (word === 'run' && /^(docker|background|docker background)$/.test(rest)) {
      isDocker = rest.includes('docker');
      if (rest.includes('background')) run = { kind: 'background' };
    } else throw new Error(`line ${line}: the comment "${comment}" says nothing about the block behind it`);
  }
  return { run, isDocker, serve, waitFor };
}
