/** Errors that a reader makes of what it cannot read; another one comes from a place that did not expect what it met. */
export async function refusalOrNothing(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof Error) || !(error as { code?: string }).code?.startsWith('MESH_')) throw error
  }
}
