import { Problem, type ProblemBody } from '../../common/problem.ts'
import { NameUnknown, NotInSpace, OrganizationSuspended, ScopeMissing, SpaceAmbiguous } from '../problems.ts'
import { codes, sentence, type Finding } from '../../mesh/istio/finding.ts'

/** What is about rights outweighs all else that is wrong. */
const forbidden: string[] = [codes.notOwned, codes.operatorOnly, NotInSpace.code, OrganizationSuspended.code, ScopeMissing.code]
const statuses: Record<string, number> = { [NameUnknown.code]: 404, [SpaceAmbiguous.code]: 409 }

/** What is wrong with the documents of a request: the first error as the problem itself, every one in `problems`. */
export class ResourcesRefused extends Problem {
  readonly problems: (ProblemBody & { document: number })[]

  /** Of `sent` documents those that are refused. */
  constructor(refused: { document: number; findings: Finding[] }[], sent: number) {
    const errors = refused.flatMap(({ document, findings }) =>
      findings.filter(({ severity }) => severity === 'error').map((finding) => ({ document, finding })),
    )
    const [first] = errors
    const status = errors.some(({ finding }) => forbidden.includes(finding.code)) ? 403 : (statuses[first!.finding.code] ?? 422)
    super(
      first!.finding.code,
      status,
      errors.map(({ document, finding }) => `${sent > 1 ? `document ${document + 1}: ` : ''}${sentence(finding)}`).join('; '),
      first!.finding.path,
    )
    this.problems = errors.map(({ document, finding: { code, path, message } }) => ({ document, code, path, message }))
  }

  override toJSON(): ProblemBody & { problems: (ProblemBody & { document: number })[] } {
    return { ...super.toJSON(), problems: this.problems }
  }
}
