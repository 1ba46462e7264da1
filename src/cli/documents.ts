import { analyseAlone } from '../mesh/istio/analyse-alone.ts'
import { checkParsed, defaultBounds, widestBounds, type Checked } from '../mesh/istio/check.ts'
import { codes, type Finding } from '../mesh/istio/finding.ts'
import { parseDocuments } from '../mesh/istio/parse.ts'
import type { Api } from './api.ts'
import type { Cli } from './cli.ts'
import { exitCodes } from './exit.ts'
import { NoDocuments, Refused } from './problems.ts'
import { readSources, type ApplyOutcome } from './resources.ts'

/** A document of a file, as it is there, with what is wrong with it wherever it is applied. */
export interface FileDocument extends Checked {
  file: string
  value?: unknown
  /** What is wrong with it unless the operator allows more than he does by default. */
  bounded: Finding[]
}

/** The documents of files, checked without copilot. Throws `MESHCTL_NO_DOCUMENTS` where there are none. */
export function readDocuments(files: string[], namespace: string): FileDocument[] {
  const documents = readSources(files).flatMap(({ name, text }) =>
    parseDocuments(text).map((document): FileDocument => {
      const checked = checkParsed(document, namespace, widestBounds)
      const known = new Set(checked.findings.map(({ path, message }) => `${path} ${message}`))
      const bounded = checkParsed(document, namespace, defaultBounds).findings.filter(
        ({ severity, path, message }) => severity === 'error' && !known.has(`${path} ${message}`),
      )
      return { ...checked, file: name, value: document.value, bounded }
    }),
  )
  if (!documents.length) throw NoDocuments(files)
  return documents
}

/** What is said of a field of a document, or of the document as a whole. */
export interface Remark extends Omit<Finding, 'line'> {
  file: string
  line: number
}

/** Every error of every document. */
export const errorsOf = (documents: FileDocument[]): Remark[] =>
  documents.flatMap(({ file, findings, lineOf }) =>
    findings
      .filter(({ severity }) => severity === 'error')
      .map((finding) => ({ ...finding, file, line: finding.line ?? lineOf(finding.path) })),
  )

/** What is to be warned of, as far as the files tell it. */
export function warningsOf(documents: FileDocument[]): Remark[] {
  const together = analyseAlone(documents.flatMap(({ resource }) => resource ?? []))
  return documents.flatMap(({ file, findings, lineOf, resource, bounded }) =>
    [
      ...bounded.map((finding) => ({
        ...finding,
        severity: 'warning' as const,
        message: `${finding.message}; refused unless the operator's configuration allows it`,
      })),
      ...[...findings, ...(resource ? together.get(resource)! : [])].filter(({ severity }) => severity === 'warning'),
    ].map((finding) => ({ ...finding, file, line: lineOf(finding.path) })),
  )
}

/** Says each with file, line and path. */
export function say(remarks: Remark[], { err }: Cli): void {
  for (const { file, line, severity, path, message } of remarks)
    err.write(`${file}:${line}: ${severity === 'warning' ? 'warning: ' : ''}${path ? `${path}: ` : ''}${message}`)
}

/** Applies documents; undefined where some of them are no YAML, or copilot refuses them, which is then said with file, line and path. */
export async function applyDocuments(
  api: Api,
  documents: FileDocument[],
  { namespace, dryRun }: { namespace: string; dryRun: boolean },
  cli: Cli,
): Promise<ApplyOutcome[] | undefined> {
  // Of the rest copilot tells all at once; what it allows is the operator's word.
  if (documents.some(({ findings }) => findings.some(({ code }) => code === codes.yaml))) {
    say(errorsOf(documents), cli)
    cli.exitCode = exitCodes.refused
    return undefined
  }
  try {
    return (
      await api.post<{ items: ApplyOutcome[] }>('/v1/resources/apply', {
        documents: documents.map(({ value }) => value),
        namespace,
        dryRun,
      })
    ).items
  } catch (error) {
    if (!(error instanceof Refused) || !error.problems.length || error.problems.some(({ document }) => document === undefined)) throw error
    const remarks = error.problems.map(({ document, code, path = '', message }): Remark => {
      const { file, lineOf } = documents[document!]!
      return { severity: 'error', code, path, message, file, line: lineOf(path) }
    })
    say(remarks, cli)
    cli.exitCode = exitCodes.refused
    return undefined
  }
}
