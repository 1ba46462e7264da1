// Cars of a city.
import { databasePrice, offer } from './offer.js'

offer('cars', (city) => databasePrice('cars', city))
