import { type ActualLRP, type CellPresence, type DesiredLRP } from '../../../common/proto/gen/bbs_pb.js'

/** What BBS asks of the cells (in Diego: the auctioneer and each cell's rep). */
export interface Cells {
  presences(): CellPresence[]
  /** Starts an instance somewhere, if what it is to run is known here; else it stays unclaimed, for whoever claims it over the wire. */
  place(processGuid: string, index: number): void
  /** Stops an instance and removes its actual LRP when the container is gone. False if its cell isn't one of ours. */
  stopInstance(lrp: ActualLRP): boolean
  /** Routes or tags of a desired LRP may have changed. */
  updated(lrp: DesiredLRP): void
}
