/** Where something is, as Istio writes it: `REGION/ZONE/SUBZONE`; parts behind the last known one are empty. */
export interface Locality {
  region: string
  zone: string
  subZone: string
}

/** Reads `REGION/ZONE/SUBZONE`, of which the last parts may be missing. */
export function readLocality(written: string): Locality {
  const [region = '', zone = '', subZone = ''] = written.split('/')
  return { region, zone, subZone }
}

/** Whether a locality is among those that `written` means: what is missing at its end, or `*`, is any. */
export function isWithin(locality: Locality, written: string): boolean {
  const { region, zone, subZone } = readLocality(written)
  return (
    [
      [region, locality.region],
      [zone, locality.zone],
      [subZone, locality.subZone],
    ] as const
  ).every(([wanted, is]) => wanted === '' || wanted === '*' || wanted === is)
}

/** 0 for the same sub-zone, 1 for the same zone, 2 for the same region, else 3. Istio: `LbPriority`. */
export function distance(a: Locality, b: Locality): number {
  if (a.region !== b.region) return 3
  if (a.zone !== b.zone) return 2
  return a.subZone === b.subZone ? 0 : 1
}
