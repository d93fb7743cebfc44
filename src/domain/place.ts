declare const brand: unique symbol;

/** WGS84 degrees; lat in [-90, 90], lng in [-180, 180]. */
export interface LatLng {
  readonly lat: number;
  readonly lng: number;
}

/**
 * A geohash cell to bit precision: whole base-32 characters, then `~` and the bits left over.
 * `dr5ru` is 25 bits, `dr5ru~01` is 27. One text form per cell, so it can name an object.
 */
export type CellPrefix = string & { readonly [brand]: "CellPrefix" };

/** The name of the object that serves a cell: `cell:` and the prefix. */
export type ShardName = string & { readonly [brand]: "ShardName" };
