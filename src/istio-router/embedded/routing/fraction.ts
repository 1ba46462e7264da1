import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '../../../common/proto/gen/envoy/type/v3/percent_pb.js'

const parts = { [Denominator.HUNDRED]: 100, [Denominator.TEN_THOUSAND]: 10_000, [Denominator.MILLION]: 1_000_000 }

/** A share of requests, each request for itself: a function that says whether one is of it. `fallback` where none is given. */
export function fraction(percent: FractionalPercent | undefined, fallback: number): () => boolean {
  const share = percent ? percent.numerator / parts[percent.denominator] : fallback
  if (share >= 1) return () => true
  if (share <= 0) return () => false
  return () => Math.random() < share
}
