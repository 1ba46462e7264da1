import { FractionalPercent_DenominatorType as Denominator } from '../../../common/proto/gen/envoy/type/v3/percent_pb.js'

/** A percentage, exact to 0.0001. */
export const percent = (value: number) => ({ numerator: Math.round(value * 10_000), denominator: Denominator.MILLION })
