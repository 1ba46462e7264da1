// Insurances cost the same in every city.
import { offer } from './offer.js'

offer('insurances', async () => 25)
