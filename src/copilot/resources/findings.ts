import { Problem, type ProblemBody } from '../../common/problem.ts'
import { codes, sentence, type Finding } from '../../mesh/istio/finding.ts'

/** What is wrong with the documents of a request: the first error as the problem itself, every one in `problems`. */
export class ResourcesRefused extends Problem {
  readonly problems: (ProblemBody & { document: number })[]

  constructor(refused: { document: number; findings: Finding[] }[]) {
    const errors = refused.flatMap(({ document, findings }) => findings.filter(({ severity }) => severity === 'error').map((finding) => ({ document, finding })))
    const [first] = errors
    const status = errors.some(({ finding }) => finding.code === codes.notOwned || finding.code === codes.operatorOnly) ? 403 : 422
    super(first!.finding.code, status, errors.map(({ document, finding }) => `document ${document + 1}: ${sentence(finding)}`).join('; '), first!.finding.path)
    this.problems = errors.map(({ document, finding: { code, path, message } }) => ({ document, code, path, message }))
  }

  override toJSON(): ProblemBody & { problems: (ProblemBody & { document: number })[] } {
    return { ...super.toJSON(), problems: this.problems }
  }
}
