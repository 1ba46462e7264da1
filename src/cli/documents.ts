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

/** Says every error of every document with file, line and path; true where there is none. */
export function showErrors(documents: FileDocument[], cli: Cli): boolean {
  const errors = documents.flatMap(({ file, findings, lineOf }) =>
    findings
      .filter(({ severity }) => severity === 'error')
      .map(({ path, message, line = lineOf(path) }) => said(file, line, path, message)),
  )
  for (const error of errors) cli.err.write(error)
  if (errors.length) cli.exitCode = exitCodes.refused
  return !errors.length
}

/** Says what is to be warned of, as far as the files tell it. */
export function showWarnings(documents: FileDocument[], cli: Cli): void {
  const together = analyseAlone(documents.flatMap(({ resource }) => resource ?? []))
  for (const { file, findings, lineOf, resource, bounded } of documents) {
    for (const { path, message } of bounded)
      cli.err.write(`${file}:${lineOf(path)}: warning: ${path}: ${message}; refused unless the operator's configuration allows it`)
    const warnings = [...findings, ...(resource ? together.get(resource)! : [])].filter(({ severity }) => severity === 'warning')
    for (const { path, message } of warnings) cli.err.write(`${file}:${lineOf(path)}: warning: ${path}: ${message}`)
  }
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
    showErrors(documents, cli)
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
    for (const { document, path = '', message } of error.problems) {
      const { file, lineOf } = documents[document!]!
      cli.err.write(said(file, lineOf(path), path, message))
    }
    cli.exitCode = exitCodes.refused
    return undefined
  }
}

const said = (file: string, line: number, path: string, message: string): string => `${file}:${line}: ${path ? `${path}: ` : ''}${message}`
