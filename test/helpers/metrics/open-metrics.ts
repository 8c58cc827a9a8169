/**
 * Reads OpenMetrics text as strictly as its grammar, for what npm has no parser for.
 * Must not hold: assertions about values. Source: OpenMetrics 1.0.0, "ABNF" and "Metric types".
 */

export interface OpenFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: { readonly name: string; readonly labels: string; readonly value: number }[];
}

const META = /^# (TYPE|HELP|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"(?:,(?!\})|(?=\})))*)\})? (\S+)$/;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total', '_created'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count', '_created'],
  summary: ['', '_sum', '_count', '_created'],
};

/** Every family; throws for the first line that is not OpenMetrics. */
export function parseOpenMetrics(text: string): readonly OpenFamily[] {
  if (!text.endsWith('\n# EOF\n')) throw new Error('it does not end with # EOF');
  const families = new Map<string, OpenFamily>();
  const series = new Set<string>();
  let family: OpenFamily = { name: '', type: '', help: '', samples: [] };
  for (const line of text.slice(0, -'# EOF\n'.length).trimEnd().split('\n')) {
    const [, kind, name = '', rest = ''] = META.exec(line) ?? [];
    if (kind !== undefined && name !== family.name) {
      if (families.has(name)) throw new Error(`${name} comes twice, or not in one piece`);
      family = { name, type: '', help: '', samples: [] };
      families.set(name, family);
    }
    if (kind !== undefined) {
      if (family.samples.length > 0) throw new Error(`samples before: ${line}`);
      family = { ...family, [kind.toLowerCase()]: rest };
      families.set(name, family);
      continue;
    }
    const sample = sampleIn(line, family);
    if (series.has(`${sample.name}{${sample.labels}}`)) throw new Error(`twice: ${line}`);
    series.add(`${sample.name}{${sample.labels}}`);
    family.samples.push(sample);
  }
  return [...families.values()];
}

function sampleIn(line: string, { name: familyName, type }: OpenFamily): OpenFamily['samples'][number] {
  const [, name = '', labels = '', text = ''] = SAMPLE.exec(line) ?? [];
  if (name === '' || !NUMBER.test(text)) throw new Error(`not a sample: ${line}`);
  const suffix = name.slice(familyName.length);
  if (!name.startsWith(familyName) || !SUFFIXES[type]?.includes(suffix))
    throw new Error(`${name} is no sample of the ${type} ${familyName}`);
  const value = Number(text.replace('Inf', 'Infinity'));
  if (type !== 'gauge' && !(value >= 0)) throw new Error(`a ${type} is never ${text}: ${line}`);
  return { name, labels, value };
}
