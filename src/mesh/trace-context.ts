/** What a `traceparent` looks like that can be read (https://www.w3.org/TR/trace-context §3.2), as a pattern that RE2 knows too. */
export const readable = '[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?'

/** One that says nothing all the same: version ff, more than version 00 has, or an id of zeros. */
export const meaningless = 'ff.*|00-.{52}.+|.{3}0{32}-.*|.{36}0{16}-.*'

const [looksReadable, saysNothing] = [readable, meaningless].map((pattern) => new RegExp(`^(?:${pattern})$`))

export const isReadable = (traceparent: string): boolean => looksReadable!.test(traceparent) && !saysNothing!.test(traceparent)

/** A request's headers of B3 (https://github.com/openzipkin/b3-propagation). */
export interface B3Headers {
  b3: string | undefined
  traceId: string | undefined
  spanId: string | undefined
  sampled: string | undefined
}

/** A trace that a request brings by B3; undefined where it brings none that can be read. */
export function readB3({ b3, traceId, spanId, sampled }: B3Headers): { single: string; w3c: string } | undefined {
  const [, trace = '', span = '', flag] =
    /^([0-9a-f]+)-([0-9a-f]+)(?:-([01d])(?:-[0-9a-f]+)?)?$/.exec(b3 ?? `${traceId}-${spanId}${decision(sampled)}`) ?? []
  if (!/^(?:.{16}|.{32})$/.test(trace) || span.length !== 16 || /^0+$/.test(trace) || /^0+$/.test(span)) return undefined
  return {
    single: `${trace}-${span}${flag === undefined ? '' : `-${flag}`}`,
    w3c: `${trace.padStart(32, '0')}-${span}-${flag === '0' ? '00' : '01'}`,
  }
}

const decision = (sampled = ''): string => (/^[01]$/.test(sampled) ? `-${sampled}` : '')
