/**
 * Autoscaling of a pool that several balancers share: one of them acts, by the load of all, and what an operator changes
 * at one holds on all.
 * Invariants: of the balancers that have autoscaling on, the one with the lowest id acts; without others this one does.
 */
import type { ScaleSettings } from '../../core/policy/autoscale.ts';
import {
  agreedSettings,
  changed,
  merged,
  type ScaleAgreement,
  type ScaleReport,
  type SharedSettings,
} from '../../core/policy/shared-scale.ts';
import type { Driver, Peer } from '../../drivers/driver.ts';
import type { LoadReading } from './load-gauge.ts';

/** The autoscaler of this balancer, as the pool uses it. */
export interface ScaleMember {
  readonly isScaling: boolean;
  readonly settings: ScaleSettings;
  /** What was seen since the last call. */
  takeReading(): LoadReading;
  /** An operator has given another balancer these settings. */
  adopt(settings: ScaleSettings): void;
  /** An operator has another balancer make it this size; undefined where that failed. */
  adoptSize(size: number | undefined): void;
}

/** Those of the settings that all balancers share. */
export const SETTINGS = ['min', 'max', 'target', 'isPaused'] as const;
export type SettingName = (typeof SETTINGS)[number];

export class ScalePool {
  readonly #driver: Pick<Driver, 'members'>;
  #member: ScaleMember | undefined;
  #agreement: ScaleAgreement = {};
  /** Reports that a decision has gone by. */
  readonly #counted = new WeakSet<ScaleReport>();

  constructor(driver: Pick<Driver, 'members'>) {
    this.#driver = driver;
  }

  /** Begins to exchange reports with the others, if there may be any; the driver is open. */
  open(member: ScaleMember): void {
    this.#member = member;
    this.#driver.members?.exchangeScale(
      () => this.#report(member),
      () => this.#read(),
    );
    this.#read();
  }

  /** The balancer that acts; undefined where no others share the pool, and where autoscaling is off on all. */
  get acting(): Peer | undefined {
    const { members } = this.#driver;
    if (members === undefined) return undefined;
    const scaling = members.peers.filter(({ id, isSelf }) =>
      isSelf ? this.#member?.isScaling === true : members.scaleReports.get(id)?.isScaling === true,
    );
    return scaling.toSorted((a, b) => (a.id < b.id ? -1 : 1))[0];
  }

  get isActing(): boolean {
    return this.#driver.members === undefined || this.acting?.isSelf === true;
  }

  get balancers(): number {
    return this.#driver.members?.peers.length ?? 1;
  }

  /**
   * What all balancers have seen, to be taken once for each decision. One that has not reported yet is assumed to have as
   * much load as this one. Its load counts until the next report; that requests waited counts once, or a balancer that
   * froze just then would have replicas added until it counts as ended.
   */
  takeTotal(own: LoadReading): LoadReading {
    const { members } = this.#driver;
    let { load, isPressed, isBusy } = own;
    for (const { id, isSelf } of members?.peers ?? []) {
      if (isSelf) continue;
      const report = members?.scaleReports.get(id);
      load += report?.load ?? own.load;
      if (report === undefined || this.#counted.has(report)) continue;
      this.#counted.add(report);
      isPressed ||= report.isPressed;
      isBusy ||= report.isBusy;
    }
    return { load, isPressed, isBusy: isBusy || load > 0 };
  }

  /**
   * An operator, or a reload, has changed `names` of the settings of this balancer. A bound that gave way to another is
   * changed as well, or it would come back by itself when that one moves.
   */
  publishSettings(settings: ScaleSettings, names: readonly SettingName[]): void {
    const agreement = this.#agreement;
    const isChanged = (name: SettingName): boolean =>
      names.includes(name) || (agreement[name] !== undefined && agreement[name].value !== settings[name]);
    this.#publish(Object.fromEntries(SETTINGS.filter(isChanged).map((name) => [name, settings[name]])));
  }

  /** An operator has made it this size; undefined where that did not come about. */
  publishSize(n: number | undefined): void {
    this.#publish({ size: n ?? null });
  }

  #publish(settings: Partial<SharedSettings>): void {
    const self = this.#driver.members?.peers.find(({ isSelf }) => isSelf);
    if (self !== undefined) this.#agreement = changed(this.#agreement, settings, self.id);
  }

  #report(member: ScaleMember): ScaleReport {
    return { isScaling: member.isScaling, ...member.takeReading(), agreement: this.#agreement };
  }

  /** Takes over what was changed at the others. */
  #read(): void {
    const member = this.#member;
    if (member === undefined) return;
    const before = this.#agreement;
    for (const report of this.#driver.members?.scaleReports.values() ?? [])
      if (report !== undefined) this.#agreement = merged(this.#agreement, report.agreement);
    const { size } = this.#agreement;
    if (this.#agreement === before) return;
    member.adopt(agreedSettings(member.settings, this.#agreement));
    if (size !== before.size) member.adoptSize(size?.value ?? undefined);
  }
}
