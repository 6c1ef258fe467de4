/** What the roastery sells. The same for everyone; the price list is public. */

export interface Product {
  readonly sku: string
  readonly name: string
  readonly origin: string
  readonly roast: 'light' | 'medium' | 'dark'
  readonly grams: number
  /** Wholesale, without tax. */
  readonly priceCents: number
}

export const products: readonly Product[] = [
  product('GUJI-1000', 'Guji Uraga', 'Ethiopia, washed', 'light', 1000, 3150),
  product('GUJI-250', 'Guji Uraga', 'Ethiopia, washed', 'light', 250, 890),
  product('HUILA-1000', 'Huila Pink Bourbon', 'Colombia, washed', 'light', 1000, 3480),
  product('NYERI-250', 'Nyeri AA', 'Kenya, washed', 'light', 250, 1120),
  product('SANTOS-1000', 'Santos Cerrado', 'Brazil, natural', 'medium', 1000, 2190),
  product('ANTIGUA-1000', 'Antigua Pulcal', 'Guatemala, washed', 'medium', 1000, 2740),
  product('QUAY-1000', 'Quayside Espresso', 'Brazil and Ethiopia, blend', 'medium', 1000, 2380),
  product('NIGHT-1000', 'Night Ferry', 'Sumatra and Brazil, blend', 'dark', 1000, 2260),
  product('DECAF-1000', 'Sugar Cane Decaf', 'Colombia, ethyl acetate', 'medium', 1000, 2890),
]

export const currency = 'EUR'

export function findProduct(sku: string): Product | undefined {
  return products.find((candidate) => candidate.sku === sku)
}

function product(
  sku: string,
  name: string,
  origin: string,
  roast: Product['roast'],
  grams: number,
  priceCents: number,
): Product {
  return { sku, name, origin, roast, grams, priceCents }
}
