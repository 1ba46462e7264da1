import { resourceKinds, refusedKinds } from '../../src/mesh/istio/kinds.ts'
import { support, type Support } from '../../src/mesh/istio/support.ts'

/** docs/resources-table.md. */
export function resourcesTable(): string {
  const kinds = resourceKinds.map(
    (kind) =>
      `## ${kind}\n\n| field of \`spec\` | Envoy | embedded | |\n|---|---|---|---|\n${Object.entries(support[kind]).map(row).join('\n')}\n`,
  )
  const others = Object.entries(refusedKinds).map(([kind, reason]) => `| ${kind} | ${reason} |`)
  return `# What becomes of each field

Generated from src/mesh/istio/support.ts by \`npm run docs\`. A policy of a subset or port is as that of the whole rule; \`exact\`, \`prefix\` and
\`regex\` are as the match that has them.

${kinds.join('\n')}
## Kinds that are refused

| kind | why |
|---|---|
${others.join('\n')}
`
}

function row([path, { engines, refused, ignored, but = '' }]: [string, Support]): string {
  const mark = (engine: 'envoy' | 'embedded'): string => (engines.includes(engine) ? 'yes' : '–')
  return `| \`${path}\` | ${mark('envoy')} | ${mark('embedded')} | ${refused ? `refused: ${refused}` : ignored ? `ignored: ${ignored}` : but} |`
}
