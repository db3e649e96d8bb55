// One of each ECP5 cell with its pins outside, for models.py.

`timescale 1ps / 1ps

module bench (
    input clk,
    input d,
    output q0, q1,
    input d0, d1,
    output q,
    input a,
    output z0, z1, z127,
    input drive, value,
    output seen,
    output obz,
    input clki, rst,
    output clkop, clkos, clkos2, clkos3, lock,
    output osc,
    input ce,
    output gated
);
  IDDRX1F iddr (.D(d), .SCLK(clk), .RST(1'b0), .Q0(q0), .Q1(q1));
  ODDRX1F oddr (.D0(d0), .D1(d1), .SCLK(clk), .RST(1'b0), .Q(q));
  DELAYG #(.DEL_VALUE(0)) delay0 (.A(a), .Z(z0));
  DELAYG #(.DEL_VALUE(1)) delay1 (.A(a), .Z(z1));
  DELAYG #(.DEL_VALUE(127)) delay127 (.A(a), .Z(z127));

  // A pad that the cell drives or somebody else.
  wire pad;
  BB bb (.I(value), .T(!drive), .O(seen), .B(pad));
  assign pad = drive ? 1'bz : !value;
  OBZ buffer (.I(value), .T(1'b0), .O(obz));

  // 25 MHz to 125 MHz, twice with a quarter of a period between, 62.5 MHz and 156.25 MHz, VCO 625 MHz.
  EHXPLLL #(
      .CLKI_DIV(1), .CLKFB_DIV(5), .FEEDBK_PATH("CLKOP"),
      .CLKOP_DIV(5), .CLKOP_CPHASE(4), .CLKOP_ENABLE("ENABLED"),
      .CLKOS_DIV(5), .CLKOS_CPHASE(5), .CLKOS_FPHASE(2), .CLKOS_ENABLE("ENABLED"),
      .CLKOS2_DIV(10), .CLKOS2_CPHASE(9), .CLKOS2_ENABLE("ENABLED"),
      .CLKOS3_DIV(4), .CLKOS3_CPHASE(3), .CLKOS3_ENABLE("ENABLED")
  ) pll (
      .CLKI(clki), .CLKFB(clkop), .RST(rst), .STDBY(1'b0), .LOCK(lock),
      .CLKOP(clkop), .CLKOS(clkos), .CLKOS2(clkos2), .CLKOS3(clkos3)
  );
  DCCA gate (.CLKI(clk), .CE(ce), .CLKO(gated));
  OSCG #(.DIV(31)) oscillator (.OSC(osc));
endmodule
