// Hotels of a city.
import { databasePrice, offer } from './offer.js'

offer('hotels', (city) => databasePrice('hotels', city))
