// Clock sources, and the gate behind them.

`timescale 1ps / 1ps

// Outputs run, whatever the ENCLK pins say, once CLKI has been steady for a while, with LOCK, and stop when it is steady no more or RST is high.
// Frequencies and phases follow from the parameters as FPGA-TN-02200 gives them; the edges of the output that is fed
// back, if its phase is that of no shift, meet those of CLKI.
module EHXPLLL #(
    parameter CLKI_DIV = 1,
    parameter CLKFB_DIV = 1,
    parameter CLKOP_DIV = 8,
    parameter CLKOS_DIV = 8,
    parameter CLKOS2_DIV = 8,
    parameter CLKOS3_DIV = 8,
    parameter CLKOP_ENABLE = "ENABLED",
    parameter CLKOS_ENABLE = "DISABLED",
    parameter CLKOS2_ENABLE = "DISABLED",
    parameter CLKOS3_ENABLE = "DISABLED",
    parameter CLKOP_CPHASE = 0,
    parameter CLKOS_CPHASE = 0,
    parameter CLKOS2_CPHASE = 0,
    parameter CLKOS3_CPHASE = 0,
    parameter CLKOP_FPHASE = 0,
    parameter CLKOS_FPHASE = 0,
    parameter CLKOS2_FPHASE = 0,
    parameter CLKOS3_FPHASE = 0,
    parameter FEEDBK_PATH = "CLKOP",
    parameter CLKOP_TRIM_POL = "RISING",
    parameter CLKOP_TRIM_DELAY = 0,
    parameter CLKOS_TRIM_POL = "RISING",
    parameter CLKOS_TRIM_DELAY = 0,
    parameter OUTDIVIDER_MUXA = "DIVA",
    parameter OUTDIVIDER_MUXB = "DIVB",
    parameter OUTDIVIDER_MUXC = "DIVC",
    parameter OUTDIVIDER_MUXD = "DIVD",
    parameter PLL_LOCK_MODE = 0,
    parameter PLL_LOCK_DELAY = 200,
    parameter STDBY_ENABLE = "DISABLED",
    parameter REFIN_RESET = "DISABLED",
    parameter SYNC_ENABLE = "DISABLED",
    parameter INT_LOCK_STICKY = "ENABLED",
    parameter DPHASE_SOURCE = "DISABLED",
    parameter PLLRST_ENA = "DISABLED",
    parameter INTFB_WAKE = "DISABLED"
) (
    input CLKI,
    input CLKFB,
    input PHASESEL1,
    input PHASESEL0,
    input PHASEDIR,
    input PHASESTEP,
    input PHASELOADREG,
    input STDBY,
    input PLLWAKESYNC,
    input RST,
    input ENCLKOP,
    input ENCLKOS,
    input ENCLKOS2,
    input ENCLKOS3,
    output CLKOP,
    output CLKOS,
    output CLKOS2,
    output CLKOS3,
    output reg LOCK = 0,
    output INTLOCK,
    output REFCLK,
    output CLKINTFB
);
  localparam STEADY = 32;  // equal periods of CLKI before it locks
  localparam FEEDBACK_DIV =
      FEEDBK_PATH == "CLKOS" || FEEDBK_PATH == "INT_OS" ? CLKOS_DIV :
      FEEDBK_PATH == "CLKOS2" || FEEDBK_PATH == "INT_OS2" ? CLKOS2_DIV :
      FEEDBK_PATH == "CLKOS3" || FEEDBK_PATH == "INT_OS3" ? CLKOS3_DIV : CLKOP_DIV;

  assign INTLOCK = LOCK;
  assign REFCLK = CLKI;
  assign CLKINTFB = 0;

  realtime last_edge = 0;
  realtime period = 0;
  realtime origin = 0;
  real vco = 0;
  integer steady = 0;

  initial if (FEEDBK_PATH == "USERCLOCK") $fatal(1, "EHXPLLL: feedback through user logic has no model");

  // A picosecond of jitter is what rounding makes of a period.
  always @(posedge CLKI) begin
    if (RST || $realtime - last_edge > period + 1.5 || $realtime - last_edge < period - 1.5) begin
      steady = 0;
      LOCK = 0;
      period = $realtime - last_edge;
    end else if (steady < STEADY) begin
      steady = steady + 1;
      if (steady == 1) origin = last_edge;
      if (steady == STEADY) begin
        period = ($realtime - origin) / STEADY;
        vco = period * CLKI_DIV / CLKFB_DIV / FEEDBACK_DIV;
        origin = $realtime;
        if (vco < 1250 || vco > 2500) $fatal(1, "EHXPLLL: VCO period %0f ps, not 1250 to 2500", vco);
        LOCK = 1;
      end
    end
    last_edge = $realtime;
  end

  ehxplll_output #(CLKOP_DIV, CLKOP_CPHASE, CLKOP_FPHASE) op (
      LOCK && CLKOP_ENABLE == "ENABLED", origin, vco, CLKOP);
  ehxplll_output #(CLKOS_DIV, CLKOS_CPHASE, CLKOS_FPHASE) os (
      LOCK && CLKOS_ENABLE == "ENABLED", origin, vco, CLKOS);
  ehxplll_output #(CLKOS2_DIV, CLKOS2_CPHASE, CLKOS2_FPHASE) os2 (
      LOCK && CLKOS2_ENABLE == "ENABLED", origin, vco, CLKOS2);
  ehxplll_output #(CLKOS3_DIV, CLKOS3_CPHASE, CLKOS3_FPHASE) os3 (
      LOCK && CLKOS3_ENABLE == "ENABLED", origin, vco, CLKOS3);
endmodule

// One output divider. Edges are counted from the origin, so that rounding to picoseconds never adds up.
module ehxplll_output #(
    parameter DIV = 8,
    parameter CPHASE = 0,
    parameter FPHASE = 0
) (
    input run,
    input realtime origin,
    input real vco,
    output reg clock = 0
);
  real edge_time;
  integer count;

  always begin
    clock = 0;
    wait (run);
    count = 0;
    while (run) begin
      // A CPHASE of DIV - 1 is no shift; what is less would begin before the origin.
      edge_time = origin + vco * (DIV + CPHASE - (DIV - 1) + FPHASE / 8.0 + count * DIV / 2.0);
      #(edge_time - $realtime);
      clock = run && !count[0];
      count = count + 1;
    end
  end
endmodule

module OSCG #(
    parameter DIV = 128
) (
    output reg OSC = 0
);
  // 310 MHz, divided.
  always #(1.0e6 / 310.0 * DIV / 2.0) OSC = !OSC;
endmodule

// Passes CLKI while CE is high. CE counts while CLKI is low, so that there is no short pulse.
module DCCA (
    input  CLKI,
    input  CE,
    output CLKO
);
  reg open = 0;
  always @(CLKI or CE) if (!CLKI) open <= CE;
  assign CLKO = CLKI && open;
endmodule
